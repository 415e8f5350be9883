//! Two connections of one card at once: its holder has taken the card out while the client waited for the server, and put
//! it in again. The client begins a new connection; the old one goes on beside it, without a card, until it learns that it
//! is stale, gives up, or needs the card.

use keystorm_model::client::{Client, ClientEffect, ClientInput};
use keystorm_model::draw::Seed;
use keystorm_model::message::HEADER;
use keystorm_model::secure::Direction;
use keystorm_model::{ClientId, ConnectionId, SimTime};

use super::line::Attempt;
use super::trouble::Troubles;
use super::{Out, World, connection_of};

/// A connection whose card is no longer there.
pub(super) struct Ghost {
    client: Client,
    connection: ConnectionId,
}

impl Troubles {
    /// The ghosts of `client` are gone, and nothing more happens to their connections.
    pub(super) fn lay_ghosts(&mut self, client: ClientId) {
        for ghost in self.ghosts.remove(&client).into_iter().flatten() {
            self.forget(ghost.connection);
        }
    }

    /// The connections of all ghosts.
    pub(super) fn ghosts(&self) -> impl Iterator<Item = ConnectionId> {
        self.ghosts.values().flatten().map(|ghost| ghost.connection)
    }
}

impl World {
    /// The holder at `client` takes the card out and puts it in again.
    pub(super) fn reinsert(&mut self, at: SimTime, client: ClientId) {
        let Some(mut visit) = self.desks[client.index()].visit.take() else { return };
        let ghost = Ghost { client: std::mem::take(&mut visit.client), connection: visit.connection };
        self.troubles.ghosts.entry(client).or_default().push(ghost);
        visit.reconnect(Seed(self.plan.seed), self.next_connection(visit.holder.card));
        let reader = self.power_up(at, client, &mut visit);
        let desk = &mut self.desks[client.index()];
        desk.reader = reader;
        desk.visit = Some(visit);
    }

    /// When a ghost of `client` wants to be woken.
    pub(super) fn ghost_due(&self, client: ClientId) -> Option<SimTime> {
        if self.troubles.ghosts.is_empty() {
            return None;
        }
        self.troubles.ghosts.get(&client)?.iter().filter_map(|ghost| ghost.client.deadline()).min()
    }

    /// Wakes the first ghost of `client` that is due at `at`.
    pub(super) fn wake_ghost(&mut self, at: SimTime, client: ClientId, out: &mut Out) {
        let due = |ghost: &Ghost| ghost.client.deadline().is_some_and(|deadline| deadline <= at);
        let ghosts = self.troubles.ghosts.get(&client);
        if let Some(place) = ghosts.and_then(|ghosts| ghosts.iter().position(due)) {
            self.step_ghost(at, client, place, ClientInput::Wake, out);
        }
    }

    /// Gives a datagram to the ghost that it belongs to, if there is one.
    pub(super) fn ghost_receives(
        &mut self,
        at: SimTime,
        client: ClientId,
        datagram: &[u8],
        out: &mut Out,
    ) -> bool {
        if self.troubles.ghosts.is_empty() || datagram.len() < HEADER {
            return false;
        }
        let connection = connection_of(datagram);
        let ghosts = self.troubles.ghosts.get(&client);
        let place = ghosts.and_then(|ghosts| ghosts.iter().position(|ghost| ghost.connection == connection));
        let Some(place) = place else { return false };
        self.step_ghost(at, client, place, ClientInput::Datagram(datagram), out);
        true
    }

    fn step_ghost(
        &mut self,
        at: SimTime,
        client: ClientId,
        place: usize,
        input: ClientInput<'_>,
        out: &mut Out,
    ) {
        let mut effects = std::mem::take(&mut self.client_out);
        let ghosts = self.troubles.ghosts.get_mut(&client).expect("a ghost has been found");
        let ghost = &mut ghosts[place];
        let connection = ghost.connection;
        ghost.client.step(&self.rules, at, input, &mut effects);
        if effects.effects.iter().any(|effect| matches!(effect, ClientEffect::Command(_))) {
            ghost.client.step(&self.rules, at, ClientInput::CardGone, &mut effects);
        }
        let over = ghost.client.connection().is_none();
        if over {
            ghosts.remove(place);
            if ghosts.is_empty() {
                self.troubles.ghosts.remove(&client);
            }
        }
        for &effect in &effects.effects {
            match effect {
                ClientEffect::Send { datagram, sequence, copy } => {
                    let attempt = Attempt { direction: Direction::Up, sequence, copy, fragment: 0 };
                    self.send(at, client, attempt, effects.get(datagram), out);
                }
                ClientEffect::Rejected(_) => self.recorder.counts.rejects += 1,
                // Its holder's session goes on in the new connection.
                ClientEffect::Command(_)
                | ClientEffect::Challenged { .. }
                | ClientEffect::Authenticated
                | ClientEffect::ServerRefused
                | ClientEffect::Ended(_) => {}
            }
        }
        if over {
            self.troubles.forget(connection);
        }
        effects.clear();
        self.client_out = effects;
    }
}
