//! The patent's claims, one by one: what each permits, and what it refuses. Its figures are in [`figures`].
//!
//! Cards are tried in two ways: in whole connections on the bench, where all parties are honest, and at a [`desk`],
//! where whoever holds the card gives it commands. At the desk every renewal is tried both through the client (STORE KEY)
//! and inside the card (DERIVE KEY).

mod desk;
mod figures;

use keystorm_model::apdu::{self, Instruction, StatusWord};
use keystorm_model::card::transport::{AnswerToReset, Protocol};
use keystorm_model::message::Message;
use keystorm_model::rings::{KeyRef, Pair, RenewalRule};
use keystorm_model::server::{Embodiment, Order, OrderedCards};
use keystorm_model::{CardId, ConnectionId, Depth, KeyNo, SimTime, Span};

use crate::common::{Bench, CARD, KEY, KIND, MONTH, SUITE, Setup, YEAR, answer_to_reset, seeded};
use desk::{Desk, RK, card, external, internal, shape};

const DAY: Span = Span::from_secs(86_400);
/// M < N, M = N and M > N.
const SHAPES: [(u8, u8); 3] = [(3, 4), (3, 3), (4, 3)];

/// What the server asked for in a connection.
struct Renewal {
    authenticated: Pair,
    upper: KeyNo,
    /// Each key, and its random.
    keys: Vec<(KeyRef, Vec<u8>)>,
}

/// What a connection renewed, if it did.
fn renewal(bench: &Bench, id: ConnectionId) -> Option<Renewal> {
    let Message::Challenge { pair, update, .. } = bench.trace.message(id, "Challenge").message() else {
        unreachable!()
    };
    let sent = bench.trace.sent(id).find(|sent| sent.name == "UpdateRandoms");
    assert_eq!(sent.is_some(), update, "keys are renewed where they have been announced");
    let Message::UpdateRandoms { upper, orders } = sent?.message() else { unreachable!() };
    let random = |index| {
        let mut random = Vec::new();
        orders.random(index, KEY, &mut random);
        random
    };
    let keys = (0..orders.len()).map(|index| (orders.key(index).unwrap(), random(index))).collect();
    Some(Renewal { authenticated: pair, upper, keys })
}

/// E(the card's internal key `no`, random).
fn encrypted(bench: &Bench, card: CardId, key: KeyRef, random: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    SUITE.prove(bench.on_card(card, key), random, &mut out);
    out
}

/// A connection renewed keys as claim 1 says, and card and server have them.
#[track_caller]
fn renewed_by_claim_1(bench: &Bench, card: CardId, id: ConnectionId) {
    let renewal = renewal(bench, id).expect("a renewal");
    assert_eq!(renewal.upper, renewal.authenticated.internal, "derived with the key of the authentication");
    for (key, random) in &renewal.keys {
        assert_ne!(renewal.authenticated.key(key.ring), *key, "authenticated with other keys");
        let new = encrypted(bench, card, internal(renewal.upper.0), random);
        assert_eq!((bench.on_card(card, *key), bench.on_server(card, *key)), (&new[..], &new[..]));
    }
}

#[test]
fn claim_01_keys_are_renewed_periodically_with_other_keys_from_a_random() {
    let mut bench = seeded(1).due(2).bench();
    let first = bench.connect().wants_another();
    renewed_by_claim_1(&bench, CARD, first);
    let mut randoms = vec![renewal(&bench, first).unwrap().keys];
    for _ in 0..3 {
        let id = bench.connect().completes();
        renewed_by_claim_1(&bench, CARD, id);
        let keys = renewal(&bench, id).unwrap().keys;
        assert!(!randoms.contains(&keys), "other randoms each time");
        randoms.push(keys);
        let id = bench.connect().completes();
        assert!(renewal(&bench, id).is_none(), "until the period turns");
        bench.wait(MONTH);
    }
}

#[test]
fn claim_01_keys_are_renewed_irregularly_when_an_order_is_given() {
    let order =
        Order { at: SimTime::ZERO + DAY, depth: Depth(1), cards: OrderedCards::Listed(vec![CardId(1)]) };
    let mut bench = seeded(2).ordered(order).bench();
    let early = bench.connect_card(CardId(1)).completes();
    assert!(renewal(&bench, early).is_none(), "before the order");
    bench.wait(DAY);
    let neighbour = bench.connect_card(CardId(0)).completes();
    assert!(renewal(&bench, neighbour).is_none(), "the order names another card");
    let ordered = bench.connect_card(CardId(1)).completes();
    renewed_by_claim_1(&bench, CardId(1), ordered);
    bench.wait(YEAR);
    let again = bench.connect_card(CardId(1)).completes();
    assert!(renewal(&bench, again).is_none(), "an order holds once");
}

#[test]
fn claim_01_without_an_authentication_with_other_keys_nothing_is_renewed() {
    let keys = [internal(3), external(4)];
    for rule in RenewalRule::ALL {
        let fresh = card(3, 4, rule);
        let refused = |what: &str, act: &dyn Fn(&mut Desk)| {
            for key in keys {
                let mut desk = fresh.clone();
                act(&mut desk);
                assert_eq!(desk.renews(2, key), StatusWord::SECURITY, "{what}: {key:?}");
            }
        };
        refused("nothing at all", &|_| {});
        refused("the card's proof alone", &|desk| {
            desk.proves(2, &[1; KEY]);
        });
        refused("the server's proof alone", &|desk| {
            assert_eq!(desk.checks(3, external(3)), StatusWord::OK);
        });
        refused("a failed attempt of the server's", &|desk| {
            desk.proves(2, &[1; KEY]);
            assert_eq!(desk.checks(3, external(2)), StatusWord::tries_left(2));
        });
        refused("a failed attempt after a good one", &|desk| {
            desk.authenticates(2, 3);
            assert_eq!(desk.checks(3, external(2)), StatusWord::tries_left(2));
        });
        refused("a reset after a good one", &|desk| {
            desk.authenticates(2, 3);
            desk.resets();
        });
        refused("the card taken out and put in again", &|desk| {
            desk.authenticates(2, 3);
            desk.inserts();
        });
        for key in keys {
            assert!(fresh.permits((2, 3), key), "{key:?} with other keys");
            assert!(!fresh.permits((3, 4), key), "{key:?} with itself");
        }
    }
}

#[test]
fn claim_02_both_kinds_of_keys_are_numbered_and_both_authenticate() {
    for (m_all, n_all) in SHAPES {
        let fresh = card(m_all, n_all, RenewalRule::Below);
        let rs = [7; KEY];
        for m in 1..=m_all {
            let cai = fresh.clone().proves(m, &rs).0;
            for other in 1..=m_all {
                assert_eq!(cai == fresh.encrypted(internal(other), &rs), m == other, "internal {m}, {other}");
            }
        }
        for n in 1..=n_all {
            for other in 1..=n_all {
                let status = fresh.clone().checks(n, external(other));
                let expected = if n == other { StatusWord::OK } else { StatusWord::tries_left(2) };
                assert_eq!(status, expected, "external {n}, {other}");
            }
        }
        let (mut desk, last) = (fresh, m_all.max(n_all));
        assert_eq!(desk.proves(m_all + 1, &rs).1, StatusWord::NO_KEY);
        assert_eq!(desk.proves(0, &rs).1, StatusWord::NO_KEY);
        assert_eq!(desk.checks(n_all + 1, external(1)), StatusWord::NO_KEY, "{last} is the last");
        assert_eq!(desk.checks(1, internal(1)), StatusWord::tries_left(2), "the other ring's key 1");
    }
}

/// Every pair of numbers that can authenticate.
fn all_used(m_all: u8, n_all: u8) -> impl Iterator<Item = (u8, u8)> {
    (1..=m_all).flat_map(move |m| (1..=n_all).map(move |n| (m, n)))
}

#[test]
fn claim_03_an_internal_key_is_renewed_after_any_other_internal_key() {
    for (m_all, n_all) in SHAPES {
        let fresh = card(m_all, n_all, RenewalRule::OtherThan);
        for used in all_used(m_all, n_all) {
            for m in 1..=m_all {
                assert_eq!(fresh.permits(used, internal(m)), used.0 != m, "internal {m} after {used:?}");
            }
        }
    }
}

#[test]
fn claim_04_an_external_key_is_renewed_after_any_other_external_key() {
    for (m_all, n_all) in SHAPES {
        let fresh = card(m_all, n_all, RenewalRule::OtherThan);
        for used in all_used(m_all, n_all) {
            for n in 1..=n_all {
                assert_eq!(fresh.permits(used, external(n)), used.1 != n, "external {n} after {used:?}");
            }
        }
    }
}

#[test]
fn claim_05_a_pair_is_renewed_at_once_after_a_pair_that_differs_in_both() {
    for (m_all, n_all) in SHAPES {
        let fresh = card(m_all, n_all, RenewalRule::OtherThan);
        for used in all_used(m_all, n_all) {
            for (m, n) in all_used(m_all, n_all) {
                let mut desk = fresh.clone();
                desk.authenticates(used.0, used.1);
                let renewed = [internal(m), external(n)].map(|key| desk.renews(used.0, key));
                let both = renewed == [StatusWord::OK; 2];
                assert_eq!(both, used.0 != m && used.1 != n, "({m}, {n}) after {used:?}: {renewed:x?}");
            }
        }
    }
    let mut bench = seeded(5).due(1).ruled(|rules| rules.renewal = RenewalRule::OtherThan).bench();
    let id = bench.connect().completes();
    renewed_by_claim_1(&bench, CARD, id);
}

#[test]
fn claim_06_the_internal_keys_from_m_up_are_renewed_after_one_below_m() {
    let fresh = card(4, 4, RenewalRule::Below);
    for used in 1..=4 {
        let mut desk = fresh.clone();
        desk.authenticates(used, 1);
        for m in used + 1..=4 {
            assert_eq!(desk.renews(used, internal(m)), StatusWord::OK, "all in one authentication");
        }
        assert_eq!(desk.renews(used, internal(5)), StatusWord::NO_KEY, "beyond the run");
        for m in 1..=used {
            assert_eq!(desk.renews(used, internal(m)), StatusWord::SECURITY, "{m} after {used}");
        }
    }
}

#[test]
fn claim_07_the_external_keys_from_n_up_are_renewed_after_one_below_n() {
    let fresh = card(4, 4, RenewalRule::Below);
    for used in 1..=4 {
        let mut desk = fresh.clone();
        desk.authenticates(1, used);
        for n in used + 1..=4 {
            assert_eq!(desk.renews(1, external(n)), StatusWord::OK, "all in one authentication");
        }
        assert_eq!(desk.renews(1, external(5)), StatusWord::NO_KEY, "beyond the run");
        for n in 1..=used {
            assert_eq!(desk.renews(1, external(n)), StatusWord::SECURITY, "{n} after {used}");
        }
    }
}

#[test]
fn claim_08_both_runs_are_renewed_after_keys_below_both() {
    for (m_all, n_all) in SHAPES {
        let fresh = card(m_all, n_all, RenewalRule::Below);
        for (m, n) in all_used(m_all, n_all) {
            let runs = (1..=m_all).map(internal).chain((1..=n_all).map(external));
            for key in runs {
                let both_below = (0..m_all.min(n_all)).any(|depth| {
                    let pair = (m_all - depth, n_all - depth);
                    let belongs = key == internal(pair.0) || key == external(pair.1);
                    belongs && m < pair.0 && n < pair.1
                });
                assert_eq!(fresh.permits((m, n), key), both_below, "{key:?} after ({m}, {n})");
            }
        }
        let mut bench = seeded(8).due(2).shape(shape(m_all, n_all)).embodiment(Embodiment::Three).bench();
        let id = bench.connect().completes();
        renewed_by_claim_1(&bench, CARD, id);
        let keys: Vec<_> = renewal(&bench, id).unwrap().keys.iter().map(|(key, _)| *key).collect();
        let run = [internal(m_all - 1), external(n_all - 1), internal(m_all), external(n_all)];
        assert_eq!(keys, run, "one authentication renews two depths");
        let id = bench.connect().completes();
        assert!(renewal(&bench, id).is_none());
    }
}

#[test]
fn claim_09_m_and_n_are_paired_from_the_top_whichever_ring_is_longer() {
    for (m_all, n_all) in SHAPES {
        let mut bench = seeded(9).due(2).shape(shape(m_all, n_all)).bench();
        for depth in [1, 0] {
            let id = bench.connect().ends_somehow();
            renewed_by_claim_1(&bench, CARD, id);
            let Renewal { authenticated: Pair { internal: m, external: n }, keys, .. } =
                renewal(&bench, id).unwrap();
            assert_eq!((m.0, n.0), (m_all - depth - 1, n_all - depth - 1));
            let keys: Vec<_> = keys.iter().map(|(key, _)| *key).collect();
            assert_eq!(keys, [internal(m_all - depth), external(n_all - depth)], "M-m = N-n");
        }
        assert!(bench.judge.agree(&bench.server, &bench.cards));
    }
}

#[test]
fn claim_09_the_server_must_have_been_checked_with_a_key_below_the_paired_one() {
    for ((m_all, n_all), used, key, permitted) in [
        // Kai[3] is paired with Kae[4].
        ((3, 4), (2, 3), internal(3), true),
        ((3, 4), (2, 4), internal(3), false),
        ((3, 4), (1, 3), internal(2), false),
        ((3, 4), (1, 2), internal(2), true),
        // Kai[3] is paired with Kae[3].
        ((3, 3), (2, 2), internal(3), true),
        ((3, 3), (2, 3), internal(3), false),
        // Kai[4] is paired with Kae[3]: external key 3 is below 4, and not below 3.
        ((4, 3), (3, 2), internal(4), true),
        ((4, 3), (3, 3), internal(4), false),
        ((4, 3), (2, 1), external(2), true),
        ((4, 3), (3, 1), external(2), false),
        // Keys without a partner.
        ((3, 4), (1, 1), external(1), false),
        ((4, 3), (1, 1), internal(1), false),
        ((5, 3), (1, 1), internal(2), false),
    ] {
        let desk = card(m_all, n_all, RenewalRule::Below);
        assert_eq!(desk.permits(used, key), permitted, "{key:?} of ({m_all}, {n_all}) after {used:?}");
    }
}

/// How many of the keys that `card` renewed can be found in what its clients saw, and how many it renewed.
fn keys_seen(bench: &Bench, card: CardId, connections: &[ConnectionId]) -> (usize, usize) {
    let renewed = connections.iter().filter_map(|&id| renewal(bench, id)).flat_map(|renewal| renewal.keys);
    let values: Vec<&[u8]> = renewed.map(|(key, _)| bench.on_card(card, key)).collect();
    let seen = |value: &&&[u8]| {
        let all = connections.iter().flat_map(|&id| bench.trace.seen_by_client(id));
        all.flat_map(|bytes| bytes.windows(KEY)).any(|bytes| bytes == **value)
    };
    (values.iter().filter(seen).count(), values.len())
}

/// Renews everything that is due for a card, and meets it once more.
fn serve(bench: &mut Bench, card: CardId) -> Vec<ConnectionId> {
    let mut connections = Vec::new();
    while connections.last().is_none_or(|&id| renewal(bench, id).is_some()) {
        assert!(connections.len() < 9, "no end of renewals");
        connections.push(bench.connect_card(card).ends_somehow());
    }
    connections
}

#[test]
fn claim_10_no_new_key_is_ever_in_what_the_client_sees() {
    let setups: [(Setup, usize); 4] = [
        (seeded(10).due(1), 2),
        (seeded(10).due(2), 4),
        (seeded(10).due(1).complement(), 2),
        (seeded(10).due(3).root_renews_itself(), 6),
    ];
    for (setup, keys) in setups {
        let mut bench = setup.embodiments(&[Embodiment::Four, Embodiment::One]).bench();
        let inside = serve(&mut bench, CardId(0));
        let through = serve(&mut bench, CardId(1));
        assert_eq!(keys_seen(&bench, CardId(0), &inside), (0, keys));
        assert_eq!(
            keys_seen(&bench, CardId(1), &through),
            (keys, keys),
            "the same search finds embodiment 1's"
        );
        assert!(bench.judge.agree(&bench.server, &bench.cards));
    }
}

#[test]
fn claim_10_the_card_makes_the_key_from_rk_and_keeps_it_in_non_volatile_memory() {
    let mut desk = card(3, 4, RenewalRule::Below);
    let derive = |key| Instruction::derive_key(key, &RK);
    let old = desk.value(internal(3));
    assert_eq!(desk.gives(derive(internal(3))), (Vec::new(), StatusWord::SECURITY), "not authenticated");
    assert_eq!(desk.value(internal(3)), old);
    desk.authenticates(2, 3);
    let new = desk.encrypted(internal(2), &RK);
    assert_eq!(desk.gives(derive(internal(3))), (Vec::new(), StatusWord::OK), "a status word only");
    desk.inserts();
    assert_eq!(desk.value(internal(3)), new, "power was off");
    assert_eq!(desk.proves(3, &[1; KEY]).0, desk.encrypted(internal(3), &[1; KEY]));
    assert_eq!(
        desk.gives(derive(external(4))),
        (Vec::new(), StatusWord::SECURITY),
        "the authentication is over"
    );
}

#[test]
fn claim_11_the_medium_is_an_ic_card_that_speaks_iso_7816_over_either_protocol() {
    for protocol in Protocol::ALL {
        let setup = seeded(11).due(1).ruled(|rules| {
            rules.protocol = protocol;
            rules.implicit_df = false;
        });
        let mut bench = setup.bench();
        let said = answer_to_reset(&bench.kind);
        assert_eq!(AnswerToReset::parse(&said).unwrap().protocol, protocol);
        assert_eq!(AnswerToReset::parse(&said[1..]), None, "no answer to reset");
        let id = bench.connect().completes();
        renewed_by_claim_1(&bench, CARD, id);
        let mut names: Vec<_> = bench.trace.commands(id).map(|command| command.name()).collect();
        let interindustry = |bytes: &[u8]| bytes[0] == apdu::CLA_ISO;
        assert!(bench.trace.commands(id).all(|command| {
            interindustry(&command.bytes)
                || (command.bytes[0], command.name()) == (apdu::CLA_OWN, "STORE KEY")
        }));
        let fetched = names.iter().filter(|&&name| name == "GET RESPONSE").count();
        assert_eq!(fetched, if protocol == Protocol::T0 { 5 } else { 0 }, "{names:?}");
        names.retain(|&name| name != "GET RESPONSE");
        let (prove, store) = ("INTERNAL AUTHENTICATE", "STORE KEY");
        let (challenge, check) = ("GET CHALLENGE", "EXTERNAL AUTHENTICATE");
        assert_eq!(names, ["SELECT", prove, challenge, check, prove, store, prove, store, prove]);
    }
}

#[test]
fn claim_11_the_card_refuses_what_it_does_not_know_and_shows_no_key() {
    for protocol in Protocol::ALL {
        let mut kind = KIND;
        kind.rules.protocol = protocol;
        let fresh = Desk::of(kind);
        for (command, status) in [
            (&[0x00, 0x20, 0, 0x81][..], 0x6d00),
            (&[0xa0, 0x84, 0, 0, 16], 0x6e00),
            (&[0x00, 0x84, 0, 0, 17], 0x6c10),
            (&[0x00, 0x88, 0, 0x83, 3, 1, 2], 0x6700),
            (&[0x00, 0xb0, 0, 0, 0], 0x6986),
            (&[0x00, 0xb0, 0x83, 0, 0], 0x6a82),
        ] {
            let answer = fresh.clone().raw(command);
            assert_eq!(answer, (Vec::new(), StatusWord(status)), "{command:02x?} over {protocol:?}");
        }
        let mut desk = fresh;
        assert_eq!(desk.raw(&[0x00, 0xa4, 0x02, 0x0c, 2, 0, 3]).1, StatusWord::OK, "the file of Kai[3]");
        assert_eq!(desk.raw(&[0x00, 0xb0, 0, 0, 0]), (Vec::new(), StatusWord::SECURITY));
    }
}
