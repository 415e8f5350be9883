//! Runs a connection, and copies the world at every point at which it can be cut.
//!
//! The points are the machines' own effects, so that a new message or command is cut without being listed anywhere.

use keystorm_model::ConnectionId;
use keystorm_model::card::{Card, Chip, Power};
use keystorm_model::client::{Client, ClientEffect, ClientInput, Ending};
use keystorm_model::draw::{Draws, Purpose, owner};
use keystorm_model::outbox::{Outbox, Slice};
use keystorm_model::server::ServerEffect;

use super::party::{CARD, SEED, Setup, World, powered_up};
use crate::step::{Kind, Step, What, command_name, message_name};

/// A point and a fault.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Cut {
    /// Where.
    pub step: Step,
    /// How.
    pub kind: Kind,
}

/// Takes the world as a cut leaves it.
pub(super) type Visitor<'a> = dyn FnMut(Cut, World) + 'a;

/// Buffers that connections share.
#[derive(Default)]
pub(super) struct Buffers {
    client: Outbox<ClientEffect>,
    server: Outbox<ServerEffect>,
    spare: Outbox<ServerEffect>,
    answer: Vec<u8>,
    names: Vec<What>,
}

/// One connection under way.
struct Visit<'a> {
    setup: &'a Setup,
    world: &'a mut World,
    client: Client,
    card: Card,
    draws: Draws,
    number: u8,
    buffers: &'a mut Buffers,
}

/// Runs one connection undisturbed, the `number`-th in its row. At each point `visitor` is given a copy of the world
/// for every cut there.
pub(super) fn connect(
    setup: &Setup,
    world: &mut World,
    number: u8,
    buffers: &mut Buffers,
    mut visitor: Option<&mut Visitor<'_>>,
) -> Ending {
    world.connections += 1;
    let connection = ConnectionId(owner(CARD, world.connections));
    if let Some(visitor) = &mut visitor {
        cut_power_up(setup, world, number, *visitor);
    }
    let card = powered_up(setup, &mut world.chip);
    let draws = SEED.open(Purpose::Visit, connection.0);
    buffers.names.clear();
    buffers.client.clear();
    let mut client = Client::default();
    client.connect(&setup.client, world.now(), CARD, connection, &mut buffers.client);
    let mut visit = Visit { setup, world, client, card, draws, number, buffers };
    let (mut next, mut ending) = (0, None);
    while let Some(&effect) = visit.buffers.client.effects.get(next) {
        next += 1;
        let visitor = visitor.as_deref_mut();
        match effect {
            ClientEffect::Send { datagram, .. } => visit.send(datagram, visitor),
            ClientEffect::Command(command) => visit.command(command, visitor),
            ClientEffect::Ended(how) => ending = Some(how),
            ClientEffect::Challenged { .. }
            | ClientEffect::Authenticated
            | ClientEffect::ServerRefused
            | ClientEffect::Rejected(_) => {}
        }
    }
    world.end();
    ending.expect("an undisturbed connection comes to its end")
}

/// What the card restores when it is powered up can be cut too.
fn cut_power_up(setup: &Setup, world: &World, number: u8, visitor: &mut Visitor<'_>) {
    let attempt = |mut power: Power| {
        let mut chip = world.chip.clone();
        let done = Card::unpowered().power_up(&setup.kind, &mut chip.memory(&setup.kind), &mut power);
        (chip, done.is_ok(), power.moments_passed())
    };
    let (_, _, moments) = attempt(Power::steady());
    for moment in 0..moments {
        let (chip, whole, _) = attempt(Power::fails_at(moment));
        assert!(!whole, "power fails at a moment that is passed");
        let step = Step { connection: number, what: What::PowerUp, nth: 1 };
        visitor(Cut { step, kind: Kind::PulledDuring(moment) }, world.with_chip(chip).over());
    }
}

impl Visit<'_> {
    fn step(&mut self, what: What) -> Step {
        self.buffers.names.push(what);
        let nth = self.buffers.names.iter().filter(|&&name| name == what).count() as u8;
        Step { connection: self.number, what, nth }
    }

    fn send(&mut self, datagram: Slice, mut visitor: Option<&mut Visitor<'_>>) {
        let request = self.buffers.client.get(datagram);
        let mut step = None;
        if let Some(visitor) = &mut visitor {
            let name = message_name(request);
            let here = self.step(What::Message(name));
            visitor(Cut { step: here, kind: Kind::LostUp }, self.world.clone().over());
            let crashed = self.world.clone().restarted(self.setup).over();
            visitor(Cut { step: here, kind: Kind::CrashBefore }, crashed);
            step = Some(here);
        }
        self.world.serve(self.buffers.client.get(datagram), &mut self.buffers.server);
        if let (Some(visitor), Some(step)) = (&mut visitor, step) {
            let crashed = self.world.clone().restarted(self.setup).over();
            visitor(Cut { step, kind: Kind::CrashAfter }, crashed);
        }
        for place in 0..self.buffers.server.effects.len() {
            let (ServerEffect::Answer { datagram, .. }
            | ServerEffect::Stale { datagram, .. }
            | ServerEffect::ProbeAnswer { datagram, .. }) = self.buffers.server.effects[place]
            else {
                continue;
            };
            if let Some(visitor) = &mut visitor {
                let name = message_name(self.buffers.server.get(datagram));
                let step = self.step(What::Message(name));
                visitor(Cut { step, kind: Kind::LostDown }, self.world.clone().over());
            }
            let input = ClientInput::Datagram(self.buffers.server.get(datagram));
            self.client.step(&self.setup.client, self.world.now(), input, &mut self.buffers.client);
        }
    }

    fn command(&mut self, command: Slice, visitor: Option<&mut Visitor<'_>>) {
        let before = visitor.is_some().then(|| (self.world.chip.clone(), self.card.clone()));
        let mut power = Power::steady();
        self.buffers.answer.clear();
        self.card
            .execute(
                &self.setup.kind,
                &mut self.world.chip.memory(&self.setup.kind),
                &mut self.draws,
                self.buffers.client.get(command),
                &mut power,
                &mut self.buffers.answer,
            )
            .expect("steady power lasts");
        if let (Some(visitor), Some((chip, card))) = (visitor, before) {
            self.pull(command, (&chip, &card), power.moments_passed(), visitor);
        }
        let input = ClientInput::CardAnswer(&self.buffers.answer);
        self.client.step(&self.setup.client, self.world.now(), input, &mut self.buffers.client);
    }

    /// Pulls the card at one of its commands in every way; `before` is how it was before it.
    fn pull(
        &mut self,
        command: Slice,
        (chip, card): (&Chip, &Card),
        moments: u32,
        visitor: &mut Visitor<'_>,
    ) {
        let what = command_name(self.buffers.client.get(command));
        let step = self.step(what);
        let left = self.left_by_the_client();
        let with = |chip: Chip| left.with_chip(chip);
        visitor(Cut { step, kind: Kind::PulledBefore }, with(chip.clone()));
        for moment in 0..moments {
            let (mut chip, mut card, mut draws) = (chip.clone(), card.clone(), self.draws.clone());
            let bytes = self.buffers.client.get(command);
            let mut power = Power::fails_at(moment);
            let mut memory = chip.memory(&self.setup.kind);
            let cut =
                card.execute(&self.setup.kind, &mut memory, &mut draws, bytes, &mut power, &mut Vec::new());
            assert!(cut.is_err(), "power fails at a moment that is passed");
            visitor(Cut { step, kind: Kind::PulledDuring(moment) }, with(chip));
        }
        visitor(Cut { step, kind: Kind::PulledAfter }, with(self.world.chip.clone()));
    }

    /// The world once the client has noticed that the card is gone, and taken leave of the server.
    fn left_by_the_client(&mut self) -> World {
        let (mut client, mut world) = (self.client.clone(), self.world.clone());
        let mut out = Outbox::default();
        client.step(&self.setup.client, world.now(), ClientInput::CardGone, &mut out);
        for &effect in &out.effects {
            if let ClientEffect::Send { datagram, .. } = effect {
                world.serve(out.get(datagram), &mut self.buffers.spare);
            }
        }
        world.over()
    }
}
