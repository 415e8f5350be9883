//! The patent's figures, message by message, with the values.

use keystorm_model::apdu::StatusWord;
use keystorm_model::client::{Cause, Ending, Step};
use keystorm_model::message::{self, Message};
use keystorm_model::rings::{KeyRef, RenewalRule};
use keystorm_model::secure::{Channel, Direction};
use keystorm_model::server::{Due, Embodiment, ServerEffect, Stamp};
use keystorm_model::suite::Comparison;
use keystorm_model::{ConnectionId, Depth};

use super::desk::{Desk, card, external, internal};
use super::{encrypted, renewal};
use crate::common::judge::State;
use crate::common::trace::{AUTHENTICATION, Commanded, SESSION};
use crate::common::{Bench, CARD, KEY, KIND, SUITE, Setup, TRIES, seeded};
use crate::update::misled;

/// Another key than the server's: as if the card, or the server, were somebody else's.
fn spoil(bench: &mut Bench, key: KeyRef) {
    bench.judge.looks_away();
    let (kind, slot) = (bench.kind, bench.kind.shape.slot(key).unwrap());
    bench.cards[CARD.index()].memory(&kind).keys[slot * KEY] ^= 1;
}

fn commands(bench: &Bench, id: ConnectionId) -> Vec<Commanded> {
    bench.trace.commands(id).cloned().collect()
}

#[test]
fn figure_03_each_key_has_an_internal_file_below_df1_that_nobody_reads() {
    const MF: [u8; 2] = [0x3f, 0x00];
    const DF1: [u8; 2] = [0xdf, 0x01];
    fn select(desk: &mut Desk, file: [u8; 2]) -> StatusWord {
        desk.raw(&[0x00, 0xa4, 0x00, 0x0c, 2, file[0], file[1]]).1
    }
    let read = |desk: &mut Desk| desk.raw(&[0x00, 0xb0, 0, 0, 0]);
    let mut kind = KIND;
    kind.rules.implicit_df = false;
    let mut desk = Desk::of(kind);
    assert_eq!(desk.proves(3, &[1; KEY]).1, StatusWord::NO_KEY, "the MF holds no keys");
    assert_eq!(select(&mut desk, [0, 1]), StatusWord::NO_FILE, "and no IEF");
    for df in [DF1, [0xdf, 0x02], [0xdf, 0x03]] {
        assert_eq!(select(&mut desk, df), StatusWord::OK);
        let holds_keys = df == DF1;
        for ief in 1..=7 {
            let found = if holds_keys { StatusWord::OK } else { StatusWord::NO_FILE };
            assert_eq!(select(&mut desk, [0, ief]), found, "IEF{ief} below {df:02x?}");
            let status = if holds_keys { StatusWord::SECURITY } else { StatusWord::NO_CURRENT_EF };
            assert_eq!(read(&mut desk), (Vec::new(), status));
        }
        assert_eq!(select(&mut desk, [0, 8]), StatusWord::NO_FILE, "M + N = 7");
        let (_, status) = desk.proves(3, &[1; KEY]);
        assert_eq!(status, if holds_keys { StatusWord::OK } else { StatusWord::NO_KEY });
        assert_eq!(select(&mut desk, MF), StatusWord::OK);
    }
    assert_eq!(select(&mut desk, [0xdf, 0x04]), StatusWord::NO_FILE);
    for no in 1..=7 {
        select(&mut desk, DF1);
        let exists = |ring: u8| if no <= ring { StatusWord::OK } else { StatusWord::NO_KEY };
        assert_eq!(desk.proves(no, &[1; KEY]).1, exists(3), "Kai[{no}]");
        assert_eq!(desk.clone().checks(no, external(no.min(4))), exists(4), "Kae[{no}]");
    }
}

#[test]
fn figure_03_another_df_ends_the_authentication() {
    let mut desk = card(3, 4, RenewalRule::Below);
    desk.authenticates(2, 3);
    assert_eq!(desk.clone().renews(2, internal(3)), StatusWord::OK);
    for file in [0x02, 0x01] {
        assert_eq!(desk.raw(&[0x00, 0xa4, 0x00, 0x0c, 2, 0xdf, file]).1, StatusWord::OK);
    }
    assert_eq!(desk.renews(2, internal(3)), StatusWord::SECURITY);
}

#[test]
fn figure_04_both_sides_prove_themselves_with_the_pair_that_the_server_names() {
    for comparison in Comparison::ALL {
        let mut bench = seeded(4).comparison(comparison).bench();
        let id = bench.connect().completes();
        assert_eq!(bench.trace.lines(id)[..10], AUTHENTICATION);
        let said = |name| bench.trace.message(id, name).message();
        let Message::Challenge { rs, .. } = said("Challenge") else { unreachable!() };
        let commands = commands(&bench, id);
        assert_eq!(commands[0].data(), rs, "3: Rs");
        let cai = encrypted(&bench, CARD, internal(3), rs);
        assert_eq!(
            (commands[0].output(), said("CardProof")),
            (&cai[..], Message::CardProof(&cai)),
            "3, 4: Cai"
        );
        let ra = commands[1].output();
        assert_eq!(said("ServerChallenge"), Message::ServerChallenge(ra), "6, 7: Ra");
        let csi = encrypted(&bench, CARD, external(4), ra);
        assert_eq!(said("ServerProof"), Message::ServerProof(&csi), "8: Csi");
        assert_eq!(commands[2].data(), csi, "9: Csi");
        assert!(bench.trace.server_effects().any(|effect| effect == ServerEffect::Authenticated(CARD)));
        bench.settle();
        assert_eq!(bench.server.directory().changes(), 0);
    }
}

#[test]
fn figure_04_a_wrong_card_and_a_wrong_server_are_turned_away() {
    for comparison in Comparison::ALL {
        let mut bench = seeded(14).comparison(comparison).bench();
        spoil(&mut bench, internal(3));
        let id = bench.connect().fails(Step::CardProof, Cause::ServerSaidNo);
        let wrong_card = [&AUTHENTICATION[..4], &["<- Verdict NG"]].concat();
        assert_eq!(bench.trace.lines(id), wrong_card, "5: NG, and nothing after it");
        assert_eq!(bench.cards[0].tries(&KIND), [TRIES; 4]);

        let mut bench = seeded(14).comparison(comparison).bench();
        spoil(&mut bench, external(4));
        let id = bench.connect().fails(Step::ServerVerdict, Cause::CardSaidNo(StatusWord::tries_left(2)));
        let no = ["card EXTERNAL AUTHENTICATE 4 63c2", "-> ServerVerdict NG", "<- Done for good"];
        assert_eq!(bench.trace.lines(id), [&AUTHENTICATION[..8], &no].concat(), "9, 10: NG");
        assert!(!bench.trace.server_effects().any(|effect| effect == ServerEffect::Authenticated(CARD)));
    }
}

/// How many of a connection's sealed messages open under `key`.
fn opened(bench: &Bench, id: ConnectionId, key: &[u8]) -> usize {
    let channel = Channel::new(SUITE.session_key(key));
    let (mut up, mut down) = (0, 0);
    let mut opens = |sent: &crate::common::trace::Sent| {
        let (direction, counter, sealed) = match sent.message() {
            Message::Data(sealed) => (Direction::Up, &mut up, sealed),
            Message::DataAnswer(sealed) => (Direction::Down, &mut down, sealed),
            _ => return false,
        };
        let opens =
            channel.open(direction, *counter, &sent.bytes[..message::HEADER], sealed, &mut Vec::new());
        *counter += 1;
        opens
    };
    bench.trace.sent(id).filter(|sent| opens(sent)).count()
}

#[test]
fn figure_05_the_session_key_is_made_from_ro_with_the_working_key() {
    let mut bench = seeded(5).bench();
    let id = bench.connect().completes();
    let lines = bench.trace.lines(id);
    assert_eq!(lines[10..], SESSION);
    let Message::SessionSeed { ro, .. } = bench.trace.message(id, "SessionSeed").message() else {
        unreachable!()
    };
    let command = &commands(&bench, id)[3];
    let key = encrypted(&bench, CARD, internal(3), ro);
    assert_eq!((command.data(), command.output()), (ro, &key[..]));
    assert_eq!(opened(&bench, id, &key), 4, "two requests, two answers");
    for no in [1, 2] {
        assert_eq!(opened(&bench, id, &encrypted(&bench, CARD, internal(no), ro)), 0);
    }
    let next = bench.connect().completes();
    assert_eq!(opened(&bench, next, &key), 0, "another session has another Ro");
}

/// What a renewal of depth 0 or 1 looks like, by its figure.
struct Figure {
    setup: Setup,
    /// The pair that authenticates.
    upper: (u8, u8),
    /// The keys, in their order.
    keys: Vec<KeyRef>,
    /// Commands to the card after the authentication.
    commands: Vec<&'static str>,
}

/// Both new keys, or all, on the card and on the server.
fn values(bench: &Bench, keys: &[KeyRef]) -> [Vec<Vec<u8>>; 2] {
    let card = keys.iter().map(|&key| bench.on_card(CARD, key).to_vec()).collect();
    let server = keys.iter().map(|&key| bench.on_server(CARD, key).to_vec()).collect();
    [card, server]
}

impl Figure {
    /// Runs the connection event by event. The card's keys change one by one, each with the command that stores it; the
    /// server's all at once, when the card's OK arrives.
    fn runs(&self) -> (Bench, ConnectionId) {
        let mut bench = self.setup.bench();
        let all: Vec<_> = (1..=3).map(internal).chain((1..=4).map(external)).collect();
        let others: Vec<_> = all.into_iter().filter(|key| !self.keys.contains(key)).collect();
        let untouched = values(&bench, &others);
        let [old, _] = values(&bench, &self.keys);
        let id = bench.connect().until("-> Hello");
        let mut seen = Vec::new();
        while bench.desks[0].client.connection().is_some() {
            bench.advance();
            let [card, server] = values(&bench, &self.keys);
            let renewed = |now: &[Vec<u8>]| {
                let changed: Vec<bool> = now.iter().zip(&old).map(|(now, old)| now != old).collect();
                assert!(changed.is_sorted_by(|a, b| a >= b), "in their order");
                changed.into_iter().filter(|&changed| changed).count()
            };
            let stores = bench
                .trace
                .commands(id)
                .filter(|command| matches!(command.name(), "STORE KEY" | "DERIVE KEY"));
            assert_eq!(renewed(&card), stores.count(), "each with its command\n{}", bench.trace);
            seen.push((renewed(&card), renewed(&server)));
            assert_eq!(values(&bench, &others), untouched, "no other key changes");
        }
        seen.dedup();
        let count = self.keys.len();
        let steps: Vec<_> = (0..=count).map(|stored| (stored, 0)).chain([(count, count)]).collect();
        assert_eq!(seen, steps, "(on the card, on the server)\n{}", bench.trace);
        self.reads_as_the_figure_says(&bench, id);
        (bench, id)
    }

    fn reads_as_the_figure_says(&self, bench: &Bench, id: ConnectionId) {
        let (m, n) = self.upper;
        let keys: Vec<_> = self.keys.iter().map(|key| format!("{:?} {}", key.ring, key.no)).collect();
        let lines = bench.trace.lines(id);
        assert_eq!(lines[1], format!("<- Challenge {m} {n} update"));
        assert_eq!(lines[2], format!("card INTERNAL AUTHENTICATE {m}"));
        assert_eq!(lines[8], format!("card EXTERNAL AUTHENTICATE {n}"));
        assert_eq!(lines[10], format!("<- UpdateRandoms {m}: {}", keys.join(", ")));
        let end = 11 + self.commands.len();
        assert_eq!(lines[11..end], self.commands);
        assert_eq!(lines[end], "-> UpdateVerdict OK");
        assert_eq!(lines[end + 1..], SESSION, "under the renewed working key");
        let Message::SessionSeed { ro, .. } = bench.trace.message(id, "SessionSeed").message() else {
            unreachable!()
        };
        assert_eq!(opened(bench, id, &encrypted(bench, CARD, internal(3), ro)), 4);
        let renewal = renewal(bench, id).unwrap();
        assert_eq!((renewal.upper.0, &renewal.authenticated.external.0), (m, &n));
        for (key, random) in renewal.keys {
            let new = encrypted(bench, CARD, internal(m), &random);
            assert_eq!(bench.on_card(CARD, key), new, "{key:?} is E(Kai[{m}], Rk)");
            assert_eq!(bench.on_server(CARD, key), new);
        }
    }
}

/// Embodiments 1 to 3: the client fetches each key with its Rk and lets the card store it.
fn passes_through_the_client(bench: &Bench, id: ConnectionId) {
    let commands = commands(bench, id);
    let keys = renewal(bench, id).unwrap().keys;
    for ((key, random), pair) in keys.iter().zip(commands[3..].chunks(2)) {
        let new = bench.on_card(CARD, *key);
        assert_eq!((pair[0].data(), pair[0].output()), (&random[..], new), "Rk in, Ca out");
        assert_eq!(pair[1].data(), new, "Ca is stored");
    }
}

/// A renewal in which the `index`-th order names a key that the card refuses: what had been done is done on the card,
/// nothing is on the server, and no command follows the refusal.
fn stops_at_the_first_no(setup: &Setup, index: usize, key: KeyRef) -> (Bench, ConnectionId) {
    let mut bench = setup.bench();
    let due = Due { depth: Depth(setup.depth()), since: Stamp::NEVER, escalated: false };
    let keys: Vec<_> = setup.bench().server.rules().renewed_keys(CARD, due).collect();
    let [old, _] = values(&bench, &keys);
    let id = misled(&mut bench, index, key.ring, key.no.0);
    bench.settle();
    let cause = Cause::CardSaidNo(StatusWord::SECURITY);
    assert_eq!(bench.trace.ending(id), Ending::Failed { step: Step::UpdateVerdict, cause });
    let lines = bench.trace.lines(id);
    let end = ["-> UpdateVerdict NG", "<- Done for good"];
    assert!(lines[lines.len() - 3].ends_with("6982"), "the refusal is the last command\n{}", bench.trace);
    assert_eq!(lines[lines.len() - 2..], end);
    let [card, server] = values(&bench, &keys);
    assert_eq!(server, old, "nothing is committed");
    assert_eq!(bench.server.directory().changes(), 0);
    let stored: Vec<_> = (0..keys.len()).map(|at| card[at] != old[at]).collect();
    let expected: Vec<_> = (0..keys.len()).map(|at| at < index).collect();
    assert_eq!(stored, expected, "what came before it is stored, what comes after is not");
    (bench, id)
}

#[test]
fn figure_06_embodiment_1_renews_a_pair_through_the_client() {
    for comparison in Comparison::ALL {
        let figure = Figure {
            setup: seeded(6).due(1).comparison(comparison),
            upper: (2, 3),
            keys: vec![internal(3), external(4)],
            commands: vec![
                "card INTERNAL AUTHENTICATE 2",
                "card STORE KEY Internal 3",
                "card INTERNAL AUTHENTICATE 2",
                "card STORE KEY External 4",
            ],
        };
        let (bench, id) = figure.runs();
        passes_through_the_client(&bench, id);
    }
}

#[test]
fn figure_06_a_refusal_commits_nothing() {
    for (index, key) in [(0, internal(2)), (1, external(3)), (1, internal(1))] {
        let (mut bench, _) = stops_at_the_first_no(&seeded(16).due(1), index, key);
        bench.connect().completes();
        bench.expect(State::New);
    }
}

#[test]
fn figure_07_embodiment_2a_renews_an_external_key_alone() {
    let figure = Figure {
        setup: seeded(7).due(1).embodiment(Embodiment::TwoA),
        upper: (2, 3),
        keys: vec![external(4)],
        commands: vec!["card INTERNAL AUTHENTICATE 2", "card STORE KEY External 4"],
    };
    let (bench, id) = figure.runs();
    passes_through_the_client(&bench, id);
    stops_at_the_first_no(&figure.setup, 0, external(3));
}

#[test]
fn figure_08_embodiment_2b_renews_an_internal_key_alone() {
    let figure = Figure {
        setup: seeded(8).due(1).embodiment(Embodiment::TwoB),
        upper: (2, 3),
        keys: vec![internal(3)],
        commands: vec!["card INTERNAL AUTHENTICATE 2", "card STORE KEY Internal 3"],
    };
    let (bench, id) = figure.runs();
    passes_through_the_client(&bench, id);
    stops_at_the_first_no(&figure.setup, 0, internal(2));
}

#[test]
fn figure_09_embodiment_3_renews_all_keys_from_a_pair_up_with_one_upper_key() {
    let figure = Figure {
        setup: seeded(9).due(2).embodiment(Embodiment::Three),
        upper: (1, 2),
        keys: vec![internal(2), external(3), internal(3), external(4)],
        commands: vec![
            "card INTERNAL AUTHENTICATE 1",
            "card STORE KEY Internal 2",
            "card INTERNAL AUTHENTICATE 1",
            "card STORE KEY External 3",
            "card INTERNAL AUTHENTICATE 1",
            "card STORE KEY Internal 3",
            "card INTERNAL AUTHENTICATE 1",
            "card STORE KEY External 4",
        ],
    };
    let (bench, id) = figure.runs();
    passes_through_the_client(&bench, id);
}

#[test]
fn figure_09_the_first_refusal_stops_embodiment_3_and_commits_nothing() {
    let setup = seeded(19).due(2).embodiment(Embodiment::Three);
    for (index, key) in
        [(0, internal(1)), (1, external(2)), (2, internal(1)), (3, external(2)), (3, external(1))]
    {
        let (mut bench, _) = stops_at_the_first_no(&setup, index, key);
        let again = bench.connect().completes();
        assert_eq!(renewal(&bench, again).unwrap().keys.len(), 4, "the whole run again");
        assert!(bench.judge.agree(&bench.server, &bench.cards));
    }
}

#[test]
fn figure_10_embodiment_4_renews_a_pair_inside_the_card() {
    for comparison in Comparison::ALL {
        let figure = Figure {
            setup: seeded(10).due(1).embodiment(Embodiment::Four).comparison(comparison),
            upper: (2, 3),
            keys: vec![internal(3), external(4)],
            commands: vec!["card DERIVE KEY Internal 3", "card DERIVE KEY External 4"],
        };
        let (bench, id) = figure.runs();
        let randoms: Vec<_> =
            renewal(&bench, id).unwrap().keys.into_iter().map(|(_, random)| random).collect();
        for (command, random) in commands(&bench, id)[3..5].iter().zip(randoms) {
            assert_eq!((command.data(), command.output()), (&random[..], &[][..]), "Rk in, OK out");
        }
    }
}

#[test]
fn figure_10_a_refusal_commits_nothing() {
    let setup = seeded(20).due(1).embodiment(Embodiment::Four);
    for (index, key) in [(0, internal(2)), (1, external(3))] {
        let (mut bench, _) = stops_at_the_first_no(&setup, index, key);
        bench.connect().completes();
        bench.expect(State::New);
    }
}
