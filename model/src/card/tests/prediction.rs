//! Any sequence of commands, resets and power failures leaves the card as the reference predicts.

use proptest::prelude::*;

use super::reference::{Apdu, Reference, Says};
use super::*;
use crate::card::files::DF1_NAME;

/// What a command carries, worked out when its turn comes.
#[derive(Clone, Copy, Debug)]
enum Data {
    Nothing,
    Bytes(u8, usize),
    /// The right proof for the last challenge, under this external key.
    Proof(u8),
    /// The last answer of INTERNAL AUTHENTICATE, or the one before it.
    Answer(usize),
    Name,
    Id(u16),
    Path(u16, u16),
}

#[derive(Clone, Debug)]
enum Act {
    Command {
        head: [u8; 4],
        data: Data,
        le: Option<u8>,
        cut: Option<Cut>,
    },
    /// In a chain of two, cut behind so many bytes.
    Chained {
        head: [u8; 4],
        data: Data,
        le: Option<u8>,
        first: usize,
    },
    Raw(Vec<u8>),
    Reset,
    PowerUp,
    /// Mutual authentication with a pair and an attempt to renew a key, as a client does it.
    Renew {
        pair: (u8, u8),
        key: (u8, u8),
        way: Way,
        cut: Option<Cut>,
    },
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Store,
    Derive,
    Root,
}

/// Power fails in a command, then in recoveries.
#[derive(Clone, Debug)]
struct Cut {
    /// Of the command before the last one, or of the last one.
    early: bool,
    moment: u32,
    recovery: Vec<u32>,
    remains: Remains,
}

fn number() -> impl Strategy<Value = u8> {
    prop_oneof![8 => 1_u8..=4, 1 => Just(0), 1 => any::<u8>()]
}

fn key_reference() -> impl Strategy<Value = u8> {
    prop_oneof![9 => number().prop_map(|no| 0x80 | no & 0x1f), 1 => any::<u8>()]
}

fn ring() -> impl Strategy<Value = u8> {
    prop_oneof![9 => 1_u8..=2, 1 => Just(0)]
}

fn block() -> impl Strategy<Value = Data> {
    prop_oneof![8 => any::<u8>().prop_map(|byte| Data::Bytes(byte, KEY)), 1 => (any::<u8>(), 0_usize..40).prop_map(|(byte, length)| Data::Bytes(byte, length))]
}

fn head_and_data() -> impl Strategy<Value = ([u8; 4], Data)> {
    let id = prop_oneof![Just(0x3f00), Just(0xdf01), Just(0xdf02), 0_u16..9, any::<u16>()];
    let selection = prop_oneof![
        4 => Just((4, Data::Name)),
        3 => (0_u8..=3, id.clone()).prop_map(|(how, id)| (how, Data::Id(id))),
        1 => (0_u8..=10).prop_map(|how| (how, Data::Nothing)),
        2 => (id.clone(), id).prop_map(|(df, ef)| (8, Data::Path(df, ef))),
    ];
    let answer = prop_oneof![4 => (0_usize..3).prop_map(Data::Answer), 1 => block()];
    let proof = prop_oneof![4 => number().prop_map(Data::Proof), 1 => block(), 1 => Just(Data::Nothing)];
    prop_oneof![
        2 => (selection, prop_oneof![Just(0), Just(0x0c), any::<u8>()])
            .prop_map(|((how, data), p2)| ([0, 0xa4, how, p2], data)),
        1 => any::<u8>().prop_map(|p1| ([0, 0xb0, p1, 0], Data::Nothing)),
        1 => Just(([0, 0xc0, 0, 0], Data::Nothing)),
        3 => Just(([0, 0x84, 0, 0], Data::Nothing)),
        5 => (key_reference(), block()).prop_map(|(p2, data)| ([0, 0x88, 0, p2], data)),
        5 => (key_reference(), proof).prop_map(|(p2, data)| ([0, 0x82, 0, p2], data)),
        5 => (ring(), key_reference(), answer).prop_map(|(p1, p2, data)| ([0x80, 0xd8, p1, p2], data)),
        5 => (ring(), key_reference(), block()).prop_map(|(p1, p2, data)| ([0x80, 0xda, p1, p2], data)),
        2 => any::<u8>().prop_map(|byte| ([0x80, 0xde, 0, 0], Data::Bytes(byte, 2 * KEY))),
        1 => (any::<[u8; 4]>(), block()),
    ]
}

fn le() -> impl Strategy<Value = Option<u8>> {
    prop_oneof![4 => Just(None), 4 => Just(Some(0)), 1 => Just(Some(16)), 1 => any::<u8>().prop_map(Some)]
}

fn remains() -> impl Strategy<Value = Remains> {
    prop_oneof![Just(Remains::Ones), Just(Remains::Zeros), any::<u64>().prop_map(Remains::Mixed)]
}

fn cut() -> impl Strategy<Value = Option<Cut>> {
    let moment = prop_oneof![2 => 0_u32..4, 2 => 0_u32..9, 1 => 0_u32..30];
    let cut = (prop::bool::weighted(0.2), moment, prop::collection::vec(0_u32..9, 0..3), remains());
    let cut = cut.prop_map(|(early, moment, recovery, remains)| Cut { early, moment, recovery, remains });
    prop::option::weighted(0.4, cut)
}

fn act() -> impl Strategy<Value = Act> {
    let command = (head_and_data(), le(), cut()).prop_map(|((head, data), le, cut)| Act::Command {
        head,
        data,
        le,
        cut,
    });
    let chained = (head_and_data(), le(), 1_usize..20).prop_map(|((head, data), le, first)| Act::Chained {
        head,
        data,
        le,
        first,
    });
    let pair = prop_oneof![3 => Just((2, 3)), 2 => Just((1, 2)), 1 => (1_u8..=3, 1_u8..=4)];
    let key = prop_oneof![2 => Just((1, 3)), 2 => Just((2, 4)), 2 => (1_u8..=2, 1_u8..=4)];
    let way = prop_oneof![3 => Just(Way::Store), 3 => Just(Way::Derive), 1 => Just(Way::Root)];
    let renew = (pair, key, way, cut()).prop_map(|(pair, key, way, cut)| Act::Renew { pair, key, way, cut });
    prop_oneof![
        12 => command,
        3 => chained,
        1 => prop::collection::vec(any::<u8>(), 0..4).prop_map(Act::Raw),
        1 => Just(Act::Reset),
        1 => Just(Act::PowerUp),
        8 => renew,
    ]
}

fn kind() -> impl Strategy<Value = CardType> {
    let nvm = (0_usize..3, 0_usize..2, prop_oneof![Just(16_u16), Just(24), Just(64), Just(256)], 0_u32..4);
    let nvm = nvm.prop_map(|(mode, layout, page, endurance)| Nvm {
        mode: WriteMode::ALL[mode],
        layout: PageLayout::ALL[layout],
        page,
        endurance: [8, 30, 1_000, 1_000][endurance as usize],
    });
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let shape = prop_oneof![3 => Just((3, 4)), 1 => (1_u8..=4, 1_u8..=4)];
    (shape, 1_u8..=3, nvm, flags).prop_map(|((m, n), tries, nvm, flags)| CardType {
        shape: RingShape::new(m, n).unwrap(),
        rules: CardRules {
            tries,
            only_own_answers: flags.0,
            renewal: RenewalRule::ALL[usize::from(flags.1)],
            root_self_renewal: flags.2,
            implicit_df: flags.3,
            protocol: Protocol::ALL[usize::from(flags.4)],
            nvm,
        },
        ..KIND
    })
}

/// The card and its reference, side by side.
struct Pairing {
    desk: Desk,
    reference: Reference,
    answers: Vec<Vec<u8>>,
    /// How often the card renewed a key, power failed, and that left torn keys.
    renewed: u32,
    cut: u32,
    torn: u32,
}

impl Pairing {
    fn new(kind: CardType) -> Self {
        let desk = Desk::of(kind);
        let reference = Reference::new(kind, desk.chip.keys(&kind));
        Pairing { desk, reference, answers: Vec::new(), renewed: 0, cut: 0, torn: 0 }
    }

    fn data(&self, data: Data) -> Vec<u8> {
        match data {
            Data::Nothing => vec![],
            Data::Bytes(byte, length) => vec![byte; length],
            Data::Name => DF1_NAME.to_vec(),
            Data::Id(id) => id.to_be_bytes().to_vec(),
            Data::Path(df, ef) => [df.to_be_bytes(), ef.to_be_bytes()].concat(),
            Data::Answer(back) => self.answers.iter().rev().nth(back).cloned().unwrap_or_default(),
            Data::Proof(no) => {
                let slot = self.desk.kind.shape.slot(key(Ring::External, no));
                let known = slot.and_then(|slot| self.reference.keys[slot]);
                let (Some(key), Some(challenge)) = (known, &self.reference.challenge) else {
                    return vec![0; KEY];
                };
                let mut proof = Vec::new();
                self.desk.kind.cipher.prove(&key, challenge, &mut proof);
                proof
            }
        }
    }

    fn act(&mut self, act: &Act) {
        match *act {
            Act::Command { head, data, le, ref cut } => self.command(head, data, le, cut.as_ref()),
            Act::Chained { head, data, le, first } => {
                let whole = self.data(data);
                let (first, rest) = whole.split_at(first.min(whole.len()));
                let [cla, ins, p1, p2] = head;
                let begin = Apdu { head: [cla | 0x10, ins, p1, p2], data: first.to_vec(), le: None };
                self.apdu(&begin, None);
                self.apdu(&Apdu { head, data: rest.to_vec(), le }, None);
            }
            Act::Raw(ref bytes) => {
                let expected = self.reference.malformed();
                let (data, status) = self.desk.raw(&bytes[..bytes.len().min(3)]);
                assert_eq!(Says::This(data, status), expected);
            }
            Act::Reset => {
                self.desk.card.reset(&self.desk.kind);
                self.reference.reset();
            }
            Act::PowerUp => self.power_up(None),
            Act::Renew { pair, key, way, ref cut } => self.renew(pair, key, way, cut.as_ref()),
        }
        self.compare();
    }

    fn renew(&mut self, (m, n): (u8, u8), (ring, no): (u8, u8), way: Way, cut: Option<&Cut>) {
        let is_t1 = self.desk.kind.rules.protocol == Protocol::T1;
        let le = is_t1.then_some(0);
        let (early, late) = if cut.is_some_and(|cut| cut.early) { (cut, None) } else { (None, cut) };
        let prove = |pairing: &mut Self, byte| {
            pairing.command([0, 0x88, 0, 0x80 | m], Data::Bytes(byte, KEY), le, None);
            if !is_t1 {
                pairing.command([0, 0xc0, 0, 0], Data::Nothing, Some(0), None);
            }
        };
        self.command([0, 0xa4, 4, 0x0c], Data::Name, None, None);
        prove(self, 1);
        self.command([0, 0x84, 0, 0], Data::Nothing, Some(16), None);
        self.command([0, 0x82, 0, 0x80 | n], Data::Proof(n), None, early);
        match way {
            Way::Store => {
                prove(self, no);
                self.command([0x80, 0xd8, ring, 0x80 | no], Data::Answer(0), None, late);
            }
            Way::Derive => self.command([0x80, 0xda, ring, 0x80 | no], Data::Bytes(no, KEY), None, late),
            Way::Root => self.command([0x80, 0xde, 0, 0], Data::Bytes(no, 2 * KEY), None, late),
        }
    }

    fn command(&mut self, head: [u8; 4], data: Data, le: Option<u8>, cut: Option<&Cut>) {
        let apdu = Apdu { head, data: self.data(data), le };
        self.apdu(&apdu, cut);
    }

    fn apdu(&mut self, apdu: &Apdu, cut: Option<&Cut>) {
        let expected = self.reference.command(apdu, cut.map(|cut| cut.moment));
        let mut power = cut.map_or(Power::steady(), |cut| Power::fails_at(cut.moment).leaving(cut.remains));
        let said = self.desk.execute(&mut power, &apdu.bytes());
        assert_eq!(power.moments_passed(), self.reference.moments, "{apdu:02x?}");
        match (said, expected) {
            (Err(PowerLost), Says::Nothing) => {
                self.cut += 1;
                self.power_up(cut);
            }
            (Ok((data, 0x9000, _)), Says::Anything) => {
                assert_ne!(self.reference.challenge.as_ref(), Some(&data), "a challenge came twice");
                self.reference.challenge = Some(data);
            }
            (Ok((data, status, work)), expected) => {
                assert_eq!(Says::This(data.clone(), status), expected, "{apdu:02x?}");
                self.renewed += u32::from(status == 0x9000 && work.writes > 0 && apdu::renews(apdu.head[1]));
                self.answers.extend((data.len() == KEY).then_some(data));
            }
            (said, expected) => panic!("{apdu:02x?} at {cut:?}: {said:02x?}, expected {expected:02x?}"),
        }
    }

    /// Powers the card up; power fails in its recovery first as often as the cut says.
    fn power_up(&mut self, cut: Option<&Cut>) {
        if let Some(cut) = cut {
            for &moment in &cut.recovery {
                let power = &mut Power::fails_at(moment).leaving(cut.remains);
                let done = self.desk.power_up_with(power).is_ok();
                assert_eq!(done, self.reference.power_up(Some(moment)));
            }
        }
        self.desk.power_up();
        assert!(self.reference.power_up(None));
        self.torn += u32::from(cut.is_some() && self.desk.torn() != 0);
    }

    fn compare(&mut self) {
        let Pairing { desk, reference, .. } = self;
        let keys = desk.chip.keys(&desk.kind);
        for (slot, key) in keys.chunks(KEY).enumerate() {
            let is_torn = desk.chip.marks().torn() & 1 << slot != 0;
            let known = (!is_torn).then_some(key);
            assert_eq!(known, reference.keys[slot].as_ref().map(|key| &key[..]), "slot {slot}");
        }
        assert_eq!(desk.chip.tries(&desk.kind), reference.tries);
        let server = desk.card.server.map(|proof| (proof.under.map(|no| no.0), proof.with.0));
        assert_eq!(server, reference.server);
        assert_eq!(desk.card.challenge.map(|challenge| challenge[..KEY].to_vec()), reference.challenge);
        let df = [Df::Mf, Df::Df1, Df::Df2, Df::Df3][usize::from(reference.df)];
        assert_eq!(desk.card.selected, Selected { df, ef: reference.ef });
        let pages = desk.kind.pages().count();
        let memory = desk.chip.memory(&desk.kind);
        assert_eq!((0..pages).map(|page| memory.wear(page)).collect::<Vec<_>>(), reference.wear);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_card_does_what_the_reference_predicts(
        kind in kind(),
        acts in prop::collection::vec(act(), 1..60),
    ) {
        let mut pairing = Pairing::new(kind);
        for act in &acts {
            pairing.act(act);
        }
    }
}

/// The sequences above reach what they are meant to reach.
#[test]
fn predictions_cover_renewals_and_cuts() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let sequences = (kind(), prop::collection::vec(act(), 60));
    let (mut renewed, mut cut, mut torn) = (0, 0, 0);
    for _ in 0..200 {
        let (kind, acts) = sequences.new_tree(&mut runner).unwrap().current();
        let mut pairing = Pairing::new(kind);
        acts.iter().for_each(|act| pairing.act(act));
        renewed += pairing.renewed;
        cut += pairing.cut;
        torn += pairing.torn;
    }
    let reached = format!("{renewed} renewals, {cut} cuts, {torn} of which tore keys");
    assert!(renewed > 500 && cut > 200 && torn > 20, "{reached}");
}
