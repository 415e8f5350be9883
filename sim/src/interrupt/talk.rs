//! One connection: a client, its card and the server, on a line on which nothing is lost.

use keystorm_model::ConnectionId;
use keystorm_model::apdu;
use keystorm_model::card::{Card, Chip, Power};
use keystorm_model::client::{Client, ClientEffect, ClientInput, Ending};
use keystorm_model::draw::{Draws, Purpose, owner};
use keystorm_model::outbox::{Outbox, Slice};
use keystorm_model::server::ServerEffect;

use super::combination::{CARD, SEED, Setup};
use super::party::{World, powered_up};
use super::rerun::Event;
use crate::check::witness::Witness;
use crate::step::What;

/// What a client wants next.
#[derive(Clone, Copy)]
pub(super) enum Next {
    /// A request sent.
    Request(Slice),
    /// A command carried out.
    Command(Slice),
    /// Nothing: its connection is over.
    Over,
}

/// A connection under way. One that is over serves for the next.
#[derive(Clone)]
pub(super) struct Talk {
    pub(super) client: Client,
    pub(super) card: Card,
    pub(super) draws: Draws,
    /// Its number, from 1, among the connections of the renewal, or of the way back to health.
    pub(super) number: u8,
    /// Its number among all connections.
    pub(super) no: u32,
    /// What has happened in it, by name.
    pub(super) names: Vec<What>,
    pub(super) out: Outbox<ClientEffect>,
    next: usize,
    /// How many requests have been sent.
    pub(super) requests: u8,
    pub(super) ending: Option<Ending>,
    witness: Witness,
    pub(super) served: Outbox<ServerEffect>,
    answer: Vec<u8>,
}

impl Default for Talk {
    fn default() -> Self {
        Talk {
            client: Client::default(),
            card: Card::unpowered(),
            draws: Draws::closed(),
            number: 0,
            no: 0,
            names: Vec::new(),
            out: Outbox::default(),
            next: 0,
            requests: 0,
            ending: None,
            witness: Witness::default(),
            served: Outbox::default(),
            answer: Vec::new(),
        }
    }
}

/// The datagrams among the effects of a server's step.
pub(super) fn answers(served: &Outbox<ServerEffect>) -> impl Iterator<Item = Slice> + '_ {
    served.effects.iter().filter_map(|effect| effect.datagram())
}

impl Talk {
    /// Begins a connection, the `number`-th in its row.
    pub(super) fn begin(&mut self, setup: &Setup, world: &mut World, number: u8) {
        world.connections += 1;
        (self.number, self.no) = (number, world.connections);
        (self.next, self.requests, self.ending) = (0, 0, None);
        self.names.clear();
        self.out.clear();
        let id = self.id();
        let moments = self.power_up(setup, world);
        world.note(|| Event::Connected { connection: id, moments });
        self.client = Client::default();
        self.client.connect(&setup.client, world.now(), CARD, id, &mut self.out);
    }

    pub(super) fn id(&self) -> ConnectionId {
        ConnectionId(owner(CARD, self.no))
    }

    /// Puts the card into the reader, and returns the moments of its memory's recovery.
    pub(super) fn power_up(&mut self, setup: &Setup, world: &mut World) -> u32 {
        world.powered += 1;
        let (card, moments) = powered_up(setup, &mut world.chip);
        self.card = card;
        self.draws.reopen(SEED, Purpose::Visit, owner(CARD, world.powered));
        self.witness = Witness::default();
        moments
    }

    /// What the client wants next.
    pub(super) fn next(&mut self, world: &mut World) -> Next {
        while let Some(&effect) = self.out.effects.get(self.next) {
            self.next += 1;
            match effect {
                ClientEffect::Send { datagram, .. } => return Next::Request(datagram),
                ClientEffect::Command(command) => return Next::Command(command),
                ClientEffect::Ended(ending) => {
                    self.ending = Some(ending);
                    let connection = self.id();
                    world.note(|| Event::Ended { connection, ending });
                }
                ClientEffect::Challenged { .. }
                | ClientEffect::Authenticated
                | ClientEffect::ServerRefused
                | ClientEffect::Rejected(_) => {}
            }
        }
        Next::Over
    }

    /// Goes on to the end, or to just before request number `stop`, counted from 1. Returns whether it is over.
    pub(super) fn go_on(&mut self, setup: &Setup, world: &mut World, stop: Option<u8>) -> bool {
        loop {
            match self.next(world) {
                Next::Request(_) if stop == Some(self.requests + 1) => {
                    self.next -= 1;
                    return false;
                }
                Next::Request(datagram) => {
                    self.send(world, datagram);
                    self.serve(setup, world, datagram);
                    self.receive_all(setup, world);
                }
                Next::Command(command) => self.execute(setup, world, command),
                Next::Over => return true,
            }
        }
    }

    /// Goes on to the end. Where no answer comes, the client gives up.
    pub(super) fn finish(&mut self, setup: &Setup, world: &mut World) {
        self.go_on(setup, world, None);
        self.give_up(setup, world, true);
    }

    /// How an undisturbed connection has ended: by itself.
    pub(super) fn undisturbed(&mut self, setup: &Setup, world: &mut World) -> Ending {
        if self.ending.is_none() {
            world.broken.push("an undisturbed connection comes to no end".into());
            self.give_up(setup, world, true);
        }
        world.end();
        self.ending.expect("a client that gives up ends its connection")
    }

    /// The request leaves the client.
    pub(super) fn send(&mut self, world: &mut World, datagram: Slice) {
        self.requests += 1;
        world.keep(self.no, self.out.get(datagram));
        world.note(|| Event::Sent { datagram: self.out.get(datagram).to_vec() });
    }

    /// The request arrives at the server, whose answers are then in `served`.
    pub(super) fn serve(&mut self, setup: &Setup, world: &mut World, datagram: Slice) {
        world.serve(setup, self.out.get(datagram), &mut self.served);
        for answer in answers(&self.served) {
            world.keep(self.no, self.served.get(answer));
            world.note(|| Event::Answered { datagram: self.served.get(answer).to_vec() });
        }
    }

    /// The answers arrive at the client.
    pub(super) fn receive_all(&mut self, setup: &Setup, world: &mut World) {
        let served = std::mem::take(&mut self.served);
        answers(&served).for_each(|answer| self.receive(setup, world, served.get(answer)));
        self.served = served;
    }

    /// A datagram arrives at the client.
    pub(super) fn receive(&mut self, setup: &Setup, world: &mut World, datagram: &[u8]) {
        world.note(|| Event::AtClient { datagram: datagram.to_vec() });
        self.client.step(&setup.client, world.now(), ClientInput::Datagram(datagram), &mut self.out);
    }

    /// The card carries a command out, and the client takes its answer.
    pub(super) fn execute(&mut self, setup: &Setup, world: &mut World, command: Slice) {
        self.carry_out(setup, world, command);
        self.take_answer(setup, world);
    }

    /// The card carries a command out. Returns the moments that it passed.
    pub(super) fn carry_out(&mut self, setup: &Setup, world: &mut World, command: Slice) -> u32 {
        let bytes = self.out.get(command);
        let before = bytes.get(1).is_some_and(|&ins| apdu::renews(ins)).then(|| world.chip.clone());
        let mut power = Power::steady();
        self.answer.clear();
        let memory = &mut world.chip.memory(&setup.kind);
        self.card
            .execute(&setup.kind, memory, &mut self.draws, bytes, &mut power, &mut self.answer)
            .expect("steady power lasts");
        if let Some(before) = before {
            let judged = stored(setup, &before, &world.chip)
                .try_for_each(|new| self.witness.judge_store(&setup.kind, setup.inside(), bytes, new));
            world.broken.extend(judged.err());
        }
        world.broken.extend(self.witness.see(&setup.kind, bytes, Some(&self.answer)).err());
        let moments = power.moments_passed();
        let answer = &self.answer;
        world.note(|| Event::Command { command: bytes.to_vec(), answer: Some(answer.clone()), moments });
        moments
    }

    /// The client takes the card's answer.
    pub(super) fn take_answer(&mut self, setup: &Setup, world: &World) {
        let input = ClientInput::CardAnswer(&self.answer);
        self.client.step(&setup.client, world.now(), input, &mut self.out);
    }

    /// No answer comes any more: the client repeats its request until it gives up, and takes leave. What it sends
    /// arrives, the repeats only if they `reach` the server.
    pub(super) fn give_up(&mut self, setup: &Setup, world: &mut World, reach: bool) {
        while self.ending.is_none() {
            let deadline = self.client.deadline().expect("a client that waits knows for how long");
            self.client.step(&setup.client, deadline, ClientInput::Wake, &mut self.out);
            self.leave(setup, world, reach);
        }
    }

    /// The client has noticed that the card is gone.
    pub(super) fn lose_the_card(&mut self, setup: &Setup, world: &mut World) {
        self.client.step(&setup.client, world.now(), ClientInput::CardGone, &mut self.out);
        self.leave(setup, world, true);
    }

    /// What the client still sends goes out; no answer comes back. A Bye arrives in any case.
    fn leave(&mut self, setup: &Setup, world: &mut World, reach: bool) {
        while let Next::Request(datagram) = self.next(world) {
            let last = self.client.connection().is_none();
            self.send(world, datagram);
            if last || reach {
                self.serve(setup, world, datagram);
            }
        }
    }
}

/// The values that keys of the card have got since `before`.
fn stored<'c>(setup: &'c Setup, before: &'c Chip, after: &'c Chip) -> impl Iterator<Item = &'c [u8]> {
    let layout = setup.kind.layout();
    let values = (0..layout.slots()).map(move |slot| {
        (&before.keys(&setup.kind)[layout.range(slot)], &after.keys(&setup.kind)[layout.range(slot)])
    });
    values.filter(|(old, new)| old != new).map(|(_, new)| new)
}
