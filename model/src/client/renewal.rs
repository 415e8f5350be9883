//! A renewal as the client carries it out: it lets the card make keys from the server's randoms and store them
//! (Fig. 6 to 10).

use super::ending::Step;
use super::{Client, ClientEffect, ClientRules};
use crate::apdu::Instruction;
use crate::message::Message;
use crate::orders::Way;
use crate::outbox::Outbox;
use crate::planted::{self, Bug};
use crate::time::SimTime;

impl Client {
    /// Gives the card the next command of an update: what follows is decided by what has been done.
    pub(super) fn renew_next(&mut self, rules: &ClientRules, out: &mut Outbox<ClientEffect>) {
        let sizes = rules.suite.sizes();
        let orders = self.orders.view();
        let way = orders.way();
        let mut random = std::mem::take(&mut self.random);
        random.clear();
        if way == Way::RootInsideCard {
            (0..orders.len()).for_each(|index| orders.random(index, sizes.renewal_random, &mut random));
            self.instruct(rules, Step::RenewRoot, Instruction::renew_root(&random), out);
        } else {
            let key = orders.key(self.obtained).expect("another key is left");
            let swapped = orders.len() == 2 && planted::is(Bug::ClientSwapsRandoms);
            let index = if swapped { 1 - self.obtained } else { self.obtained };
            orders.random(index, sizes.renewal_random, &mut random);
            let upper = self.upper;
            if way.inside() {
                self.instruct(rules, Step::DeriveKey, Instruction::derive_key(key, &random), out);
            } else {
                let obtain = Instruction::internal_authenticate(upper, &random);
                self.instruct(rules, Step::ObtainKey, obtain, out);
            }
        }
        self.random = random;
    }

    /// Lets the card store the key that was obtained last and is not stored yet.
    fn store_last(&mut self, rules: &ClientRules, out: &mut Outbox<ClientEffect>) {
        let seed = rules.suite.sizes().seed;
        let start = self.seeds.len() - seed;
        // Where all are obtained first, they are stored from the last to the first.
        let index = if self.orders.view().way().root() { start / seed } else { self.obtained - 1 };
        let key = self.orders.view().key(index).expect("it has been obtained");
        let seeds = std::mem::take(&mut self.seeds);
        self.instruct(rules, Step::StoreKey, Instruction::store_key(key, &seeds[start..]), out);
        self.seeds = seeds;
    }

    /// The card has obtained, stored or derived a key: goes on with the update, or reports its end.
    pub(super) fn renewed(
        &mut self,
        rules: &ClientRules,
        now: SimTime,
        step: Step,
        data: &[u8],
        out: &mut Outbox<ClientEffect>,
    ) {
        let (keys, way) = (self.orders.view().len(), self.orders.view().way());
        match step {
            Step::ObtainKey => {
                self.seeds.extend_from_slice(data);
                self.obtained += 1;
                let hold_back = way.root() && self.obtained < keys;
                return if hold_back { self.renew_next(rules, out) } else { self.store_last(rules, out) };
            }
            Step::StoreKey => self.seeds.truncate(self.seeds.len() - rules.suite.sizes().seed),
            Step::DeriveKey => self.obtained += 1,
            _ => self.obtained = keys,
        }
        if !self.seeds.is_empty() {
            self.store_last(rules, out);
        } else if self.obtained < keys {
            self.renew_next(rules, out);
        } else {
            self.next_request(rules, now, Step::UpdateVerdict, Message::UpdateVerdict(true), out);
        }
    }
}
