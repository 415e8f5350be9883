//! Runs a connection, and copies the world at every point at which it can be cut, once for every fault that can strike
//! there.
//!
//! The points are the machines' own effects, so that a new message or command is cut without being listed anywhere. A
//! fault that does not end the connection lets it go on to its end in the copy.

use std::rc::Rc;

use keystorm_model::card::{Card, Chip, Power, Remains};
use keystorm_model::client::Ending;
use keystorm_model::message;
use keystorm_model::outbox::{Outbox, Slice};

use super::combination::{CARD, Setup};
use super::party::{Sent, World};
use super::rerun::Event;
use super::talk::{Next, Talk, answers};
use crate::step::{Kind, Remnant, Step, What, command_name, message_name};

/// A point and a fault.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Cut {
    /// Where.
    pub step: Step,
    /// How.
    pub kind: Kind,
}

/// A copy of a request comes at most so many connections late, its own among them: after that the server has forgotten
/// whatever it could have been good for.
pub(super) const LATEST: u8 = 3;
/// Decides which bits are left where an erasure leaves some.
const MIXED: u64 = 1;

/// Takes the world as any of some cuts leaves it, the connection being over.
pub(super) type Visitor<'a> = dyn FnMut(&[Cut], World) + 'a;

/// A connection whose points are visited.
struct Visit<'a, 'v> {
    setup: &'a Setup,
    talk: &'a mut Talk,
    world: &'a mut World,
    visitor: &'a mut Visitor<'v>,
    /// Cuts after which everything goes on as if there had been none.
    harmless: Vec<Cut>,
}

/// Runs one connection undisturbed, the `number`-th in its row. At each point `visitor` is given a copy of the world for
/// every cut there.
pub(super) fn cut_all(
    setup: &Setup,
    world: &mut World,
    number: u8,
    talk: &mut Talk,
    visitor: &mut Visitor<'_>,
) -> Ending {
    cut_power_up(setup, world, number, visitor);
    talk.begin(setup, world, number);
    let mut visit = Visit { setup, talk, world, visitor, harmless: Vec::new() };
    loop {
        match visit.talk.next(visit.world) {
            Next::Request(datagram) => visit.request(datagram),
            Next::Command(command) => visit.command(command),
            Next::Over => break,
        }
    }
    let harmless = visit.harmless;
    let ending = talk.undisturbed(setup, world);
    visitor(&harmless, world.clone());
    ending
}

/// What the card restores when it is powered up can be cut too.
fn cut_power_up(setup: &Setup, world: &World, number: u8, visitor: &mut Visitor<'_>) {
    let attempt = |mut power: Power| {
        let mut chip = world.chip.clone();
        let done = Card::unpowered().power_up(&setup.kind, &mut chip.memory(&setup.kind), &mut power);
        (chip, done.is_ok(), power.moments_passed())
    };
    let (_, _, moments) = attempt(Power::steady());
    let step = Step { connection: number, what: What::PowerUp, nth: 1 };
    for moment in 0..moments {
        let cut_short = |power| {
            let (chip, whole, _) = attempt(power);
            assert!(!whole, "power fails at a moment that is passed");
            chip
        };
        for (remnant, chip) in distinct(setup, cut_short, moment) {
            let cut = Cut { step, kind: Kind::PulledDuring(moment, remnant) };
            let mut left = world.with_chip(chip);
            left.note(|| Event::Cut(cut));
            visitor(&[cut], left.over());
        }
    }
}

/// What power that fails at `moment` leaves of the memory, for each remnant that makes a difference.
fn distinct(setup: &Setup, attempt: impl Fn(Power) -> Chip, moment: u32) -> Vec<(Remnant, Chip)> {
    let mut left: Vec<(Remnant, Chip)> = Vec::with_capacity(Remnant::ALL.len());
    for remnant in Remnant::ALL {
        let remains = match remnant {
            Remnant::Ones => Remains::Ones,
            Remnant::Zeros => Remains::Zeros,
            Remnant::Mixed => Remains::Mixed(MIXED),
        };
        let chip = attempt(Power::fails_at(moment).leaving(remains));
        if left.iter().all(|(_, other)| other.keys(&setup.kind) != chip.keys(&setup.kind)) {
            left.push((remnant, chip));
        }
    }
    left
}

impl Visit<'_, '_> {
    fn step(&mut self, what: What) -> Step {
        self.talk.names.push(what);
        let nth = self.talk.names.iter().filter(|&&name| name == what).count() as u8;
        Step { connection: self.talk.number, what, nth }
    }

    /// Hands over what a cut leaves when the connection is over at once.
    fn ends(&mut self, step: Step, kind: Kind, mut left: World) {
        let cut = Cut { step, kind };
        left.note(|| Event::Cut(cut));
        (self.visitor)(&[cut], left.over());
    }

    /// Hands over what a cut leaves when `how` has been done in copies of the connection and the world.
    fn goes(&mut self, step: Step, kind: Kind, how: impl FnOnce(&Setup, &mut Talk, &mut World)) {
        let cut = Cut { step, kind };
        let (mut talk, mut world) = (self.talk.clone(), self.world.clone());
        world.note(|| Event::Cut(cut));
        how(self.setup, &mut talk, &mut world);
        (self.visitor)(&[cut], world.over());
    }

    /// A request, and its answers.
    fn request(&mut self, datagram: Slice) {
        let name = message_name(self.talk.out.get(datagram));
        let step = self.step(What::Message(name));
        self.ends(step, Kind::ClientCrash, self.world.clone());
        self.late_copies(step, datagram);
        self.second_connection(step, datagram);
        self.talk.send(self.world, datagram);
        self.ends(step, Kind::LostUp, self.world.clone());
        let waits = self.talk.client.connection().is_some();
        if waits {
            self.goes(step, Kind::LostUpAlone, |setup, talk, world| talk.give_up(setup, world, false));
        }
        self.goes(step, Kind::CrashBefore, |setup, talk, world| {
            world.restart();
            if waits {
                arrive(setup, talk, world, datagram);
            }
        });
        self.goes(step, Kind::Duplicated, |setup, talk, world| {
            talk.serve(setup, world, datagram);
            let first = std::mem::take(&mut talk.served);
            talk.serve(setup, world, datagram);
            answers(&first).for_each(|answer| talk.receive(setup, world, first.get(answer)));
            talk.receive_all(setup, world);
            talk.finish(setup, world);
        });
        self.talk.serve(self.setup, self.world, datagram);
        self.goes(step, Kind::CrashAfter, |setup, talk, world| {
            world.restart();
            if waits {
                arrive(setup, talk, world, datagram);
            }
        });
        let served = std::mem::take(&mut self.talk.served);
        for answer in answers(&served) {
            self.answer(served.get(answer));
        }
        self.talk.served = served;
    }

    /// An answer of the server's.
    fn answer(&mut self, datagram: &[u8]) {
        let step = self.step(What::Message(message_name(datagram)));
        self.ends(step, Kind::LostDown, self.world.clone());
        self.ends(step, Kind::ClientCrash, self.world.clone());
        self.goes(step, Kind::LostDownAlone, |setup, talk, world| talk.give_up(setup, world, true));
        self.goes(step, Kind::Duplicated, |setup, talk, world| {
            talk.receive(setup, world, datagram);
            talk.receive(setup, world, datagram);
            talk.finish(setup, world);
        });
        self.goes(step, Kind::LateAnswers, |setup, talk, world| {
            let late: Vec<Rc<Sent>> = world.sent().skip(1).collect();
            late.iter()
                .filter(|sent| is_answer(sent))
                .for_each(|sent| talk.receive(setup, world, &sent.datagram));
            talk.receive(setup, world, datagram);
            talk.finish(setup, world);
        });
        self.talk.receive(self.setup, self.world, datagram);
    }

    /// Copies of earlier requests come just before this one. Most of them change nothing at the server, and what comes
    /// back is of another request: then it goes on as without them.
    fn late_copies(&mut self, step: Step, datagram: Slice) {
        let mut server = self.world.server.clone();
        let mut out = Outbox::default();
        let now = self.world.now();
        let recent = |sent: &Rc<Sent>| self.talk.no - sent.connection < u32::from(LATEST);
        let late: Vec<Rc<Sent>> =
            self.world.sent().take_while(recent).filter(|sent| !is_answer(sent)).collect();
        for sent in late {
            let ago = (self.talk.no - sent.connection) as u8;
            let kind = Kind::LateCopy { of: message_name(&sent.datagram), ago };
            out.clear();
            server.step(now, &sent.datagram, &mut out);
            let unchanged = server.directory() == self.world.server.directory()
                && server.live(CARD).eq(self.world.server.live(CARD))
                && server.last_opened(CARD) == self.world.server.last_opened(CARD);
            if unchanged {
                self.harmless.push(Cut { step, kind });
                continue;
            }
            server = self.world.server.clone();
            self.goes(step, kind, |setup, talk, world| {
                let mut served = Outbox::default();
                world.serve(setup, &sent.datagram, &mut served);
                answers(&served).for_each(|answer| talk.receive(setup, world, served.get(answer)));
                talk.send(world, datagram);
                arrive(setup, talk, world, datagram);
            });
        }
    }

    /// A second connection of the card begins while this request is on its way, and comes to its end before it arrives,
    /// or waits at each of its own requests until this connection is over.
    fn second_connection(&mut self, step: Step, datagram: Slice) {
        self.overlap(step, datagram, None);
        let mut stop = 1;
        while self.overlap(step, datagram, Some(stop)) {
            stop += 1;
        }
    }

    /// The second one waits at request `stop`; `false`: it has not so many. Each time that the card changes over it is
    /// powered up anew, and the client that it comes back to does not notice.
    fn overlap(&mut self, step: Step, datagram: Slice, stop: Option<u8>) -> bool {
        let (mut talk, mut world) = (self.talk.clone(), self.world.clone());
        let cut = Cut { step, kind: stop.map_or(Kind::Second, Kind::Interleaved) };
        talk.send(&mut world, datagram);
        world.note(|| Event::Cut(cut));
        let mut second = Talk::default();
        second.begin(self.setup, &mut world, self.talk.number);
        let over = second.go_on(self.setup, &mut world, stop);
        if over {
            second.give_up(self.setup, &mut world, true);
            if stop.is_some() {
                return false;
            }
        }
        talk.power_up(self.setup, &mut world);
        arrive(self.setup, &mut talk, &mut world, datagram);
        if !over {
            second.power_up(self.setup, &mut world);
            second.finish(self.setup, &mut world);
        }
        (self.visitor)(&[cut], world.over());
        true
    }

    fn command(&mut self, command: Slice) {
        let setup = self.setup;
        let step = self.step(command_name(self.talk.out.get(command)));
        let (card, draws, before) = (self.talk.card.clone(), self.talk.draws.clone(), self.world.clone());
        self.ends(step, Kind::ClientCrashBefore, before.clone());
        let (mut talk, mut left) = (self.talk.clone(), before.clone());
        talk.lose_the_card(setup, &mut left);
        self.pulled(step, Kind::PulledBefore, (&before, &left), before.chip.clone(), Vec::new());
        let bytes = self.talk.out.get(command).to_vec();
        let moments = self.talk.carry_out(setup, self.world, command);
        let cut_short = |moments| Event::Command { command: bytes.clone(), answer: None, moments };
        for moment in 0..moments {
            let attempt = |mut power: Power| {
                let (mut chip, mut card, mut draws) = (before.chip.clone(), card.clone(), draws.clone());
                let mut memory = chip.memory(&setup.kind);
                let done =
                    card.execute(&setup.kind, &mut memory, &mut draws, &bytes, &mut power, &mut Vec::new());
                assert!(done.is_err(), "power fails at a moment that is passed");
                chip
            };
            let ways = distinct(setup, attempt, moment);
            let mut crashed = before.with_chip(ways[0].1.clone());
            crashed.note(|| cut_short(moment));
            self.ends(step, Kind::ClientCrashDuring(moment), crashed);
            for (remnant, chip) in ways {
                let kind = Kind::PulledDuring(moment, remnant);
                self.pulled(step, kind, (&before, &left), chip, vec![cut_short(moment)]);
            }
        }
        self.ends(step, Kind::ClientCrashAfter, self.world.clone());
        let chip = self.world.chip.clone();
        self.pulled(step, Kind::PulledAfter, (&before, &left), chip, vec![cut_short(moments)]);
        self.talk.take_answer(setup, self.world);
    }

    /// Hands over what is left when the card has been pulled and its client has taken leave: `left` with this memory.
    /// `seen` has happened between `before` and that leave.
    fn pulled(
        &mut self,
        step: Step,
        kind: Kind,
        (before, left): (&World, &World),
        chip: Chip,
        mut seen: Vec<Event>,
    ) {
        let cut = Cut { step, kind };
        let mut left = left.with_chip(chip);
        if let (Some(log), Some(before)) = (&mut left.log, &before.log) {
            seen.push(Event::Cut(cut));
            log.splice(before.len()..before.len(), seen);
        }
        (self.visitor)(&[cut], left.over());
    }
}

/// The request arrives, and the connection goes on to its end.
fn arrive(setup: &Setup, talk: &mut Talk, world: &mut World, datagram: Slice) {
    talk.serve(setup, world, datagram);
    talk.receive_all(setup, world);
    talk.finish(setup, world);
}

fn is_answer(sent: &Sent) -> bool {
    message::decode(&sent.datagram).is_ok_and(|(_, message)| message.is_answer())
}
