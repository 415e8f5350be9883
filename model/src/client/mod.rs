//! The client: one reader and one connection at a time, between a card and the server.
//!
//! It relays challenges and proofs, stores the new keys of an update on the card, and exchanges encrypted data.
//! It sends one request at a time and repeats it with exponential backoff until the answer comes or its tries
//! are used up. A repeated or late answer is harmless: it never makes the client send a card command twice.

mod commands;
mod ending;
mod renewal;
mod retry;

pub use commands::{commands_in_connection, requests_in_connection};
pub use ending::{Cause, Ending, Step};
pub use retry::Retry;

use crate::apdu::{Instruction, StatusWord};
use crate::card::files;
use crate::card::transport::Protocol;
use crate::ids::{CardId, ConnectionId, KeyNo};
use crate::message::{self, HEADER, Header, Message};
use crate::orders::KeptOrders;
use crate::outbox::{Outbox, Slice};
use crate::planted::{self, Bug};
use crate::reader::{Dialogue, Turn};
use crate::reject::Reject;
use crate::rings::Pair;
use crate::secure::{Channel, Direction, TAG};
use crate::suite::{Sizes, SuiteId};
use crate::time::{SimTime, Span};

/// What all clients have in common.
#[derive(Clone, Copy, Debug)]
pub struct ClientRules {
    /// The cipher suite of the cards.
    pub suite: SuiteId,
    /// How the cards' readers speak to them, which the answer to reset says.
    pub protocol: Protocol,
    /// Whether the keys' DF is selected by a reset, which the answer to reset says too. If it is not, it is selected
    /// before anything else, and the card's number is read from its control information.
    pub implicit_df: bool,
    /// Retransmission.
    pub retry: Retry,
    /// Encrypted request/answer pairs per session.
    pub exchanges: u16,
    /// Plain bytes of each request.
    pub request_bytes: u16,
    /// Whether the server is told, by an empty proof, that a card refuses to prove itself. Escalation needs that: else
    /// the server cannot tell a key that is torn from a card that is gone.
    pub reports_refusals: bool,
}

impl ClientRules {
    /// For cards that speak T=1 and select their keys' DF by themselves.
    pub const fn new(suite: SuiteId, retry: Retry, exchanges: u16, request_bytes: u16) -> Self {
        ClientRules {
            suite,
            protocol: Protocol::T1,
            implicit_df: true,
            retry,
            exchanges,
            request_bytes,
            reports_refusals: false,
        }
    }
}

/// What can happen to a client.
#[derive(Clone, Copy, Debug)]
pub enum ClientInput<'a> {
    /// A datagram arrived.
    Datagram(&'a [u8]),
    /// The card answered the last command.
    CardAnswer(&'a [u8]),
    /// The card is no longer in the reader.
    CardGone,
    /// Time has passed; the deadline may have come.
    Wake,
}

/// What a client wants done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientEffect {
    /// Send a datagram to the server.
    Send {
        /// The datagram.
        datagram: Slice,
        /// The request's sequence number.
        sequence: u16,
        /// How often this request was sent before.
        copy: u8,
    },
    /// Give the card a command.
    Command(Slice),
    /// The server named the pair to use, and whether it is going to renew keys.
    Challenged {
        /// Whether keys are going to be renewed.
        update: bool,
    },
    /// Message 10 with OK has been sent for the first time: mutual authentication holds for the client.
    Authenticated,
    /// The card refused the server's proof.
    ServerRefused,
    /// The connection is over for the client.
    Ended(Ending),
    /// A datagram was refused.
    Rejected(Reject),
}

#[derive(Clone)]
enum Phase {
    Idle,
    /// A request has been sent.
    Waiting {
        step: Step,
        copies: u8,
        interval: Span,
        deadline: SimTime,
        /// The failure to end with once a "no" of the client's has been heard.
        failure: Option<Cause>,
    },
    /// The card has been given a command.
    AtCard(Step),
}

/// The machine.
#[derive(Clone)]
pub struct Client {
    phase: Phase,
    card: CardId,
    connection: ConnectionId,
    sequence: u16,
    /// The last request, kept for retransmission.
    request: Vec<u8>,
    pair: Pair,
    upper: KeyNo,
    /// The orders of an update, and what has been done of them.
    orders: KeptOrders,
    /// How many keys have been obtained from the card, or derived by it.
    obtained: usize,
    /// The card's answers from which keys grow that have not been stored yet, one behind the other.
    seeds: Vec<u8>,
    random: Vec<u8>,
    dialogue: Dialogue,
    /// The card's answer to the last instruction.
    answer: Vec<u8>,
    channel: Option<Channel>,
    exchange: u16,
    plain: Vec<u8>,
}

impl Default for Client {
    fn default() -> Self {
        Client {
            phase: Phase::Idle,
            card: CardId(0),
            connection: ConnectionId(0),
            sequence: 0,
            request: Vec::new(),
            pair: Pair { internal: KeyNo(0), external: KeyNo(0) },
            upper: KeyNo(0),
            orders: KeptOrders::default(),
            obtained: 0,
            seeds: Vec::new(),
            random: Vec::new(),
            dialogue: Dialogue::new(Protocol::T1),
            answer: Vec::new(),
            channel: None,
            exchange: 0,
            plain: Vec::new(),
        }
    }
}

impl Client {
    /// Starts a connection for the card in the reader, which has just been reset.
    pub fn connect(
        &mut self,
        rules: &ClientRules,
        now: SimTime,
        card: CardId,
        connection: ConnectionId,
        out: &mut Outbox<ClientEffect>,
    ) {
        self.begin(card, connection);
        if rules.implicit_df {
            self.request(rules, now, Step::Hello, Message::Hello, None, out);
        } else {
            let select = Instruction::select_name_fci(&files::DF1_NAME);
            self.instruct(rules, Step::Select, select, out);
        }
    }

    /// Starts a connection without a card: one request, one answer, no Bye.
    pub fn probe(
        &mut self,
        rules: &ClientRules,
        now: SimTime,
        card: CardId,
        connection: ConnectionId,
        out: &mut Outbox<ClientEffect>,
    ) {
        self.begin(card, connection);
        self.request(rules, now, Step::Probe, Message::Probe, None, out);
    }

    /// Forgets the connection before.
    fn begin(&mut self, card: CardId, connection: ConnectionId) {
        self.card = card;
        self.connection = connection;
        self.sequence = 0;
        self.channel = None;
        self.exchange = 0;
    }

    /// Applies one input at `now`. Effects are appended to `out` in order; drain it before the next step.
    pub fn step(
        &mut self,
        rules: &ClientRules,
        now: SimTime,
        input: ClientInput<'_>,
        out: &mut Outbox<ClientEffect>,
    ) {
        match (&self.phase, input) {
            (_, ClientInput::Datagram(datagram)) => self.receive(rules, now, datagram, out),
            (Phase::Idle, _) => {}
            (&Phase::AtCard(Step::StoreKey | Step::DeriveKey), ClientInput::CardGone)
                if planted::is(Bug::ClientHidesLoss) =>
            {
                let step = Step::UpdateVerdict;
                self.next_request(rules, now, step, Message::UpdateVerdict(true), out);
                self.end(Ending::Failed { step, cause: Cause::CardPulled }, out);
            }
            (_, ClientInput::CardGone) => self.fail(self.at(), Cause::CardPulled, out),
            (Phase::Waiting { .. }, ClientInput::Wake) => self.wake(rules, now, out),
            (&Phase::AtCard(step), ClientInput::CardAnswer(answer)) => {
                self.apdu_answered(rules, now, step, answer, out);
            }
            (Phase::Waiting { .. }, ClientInput::CardAnswer(_)) | (Phase::AtCard(_), ClientInput::Wake) => {}
        }
    }

    /// When the client wants to be woken at the latest; `None`: it waits for the card or does nothing.
    pub fn deadline(&self) -> Option<SimTime> {
        match self.phase {
            Phase::Waiting { deadline, .. } => Some(deadline),
            Phase::Idle | Phase::AtCard(_) => None,
        }
    }

    /// The connection that is in progress.
    pub fn connection(&self) -> Option<ConnectionId> {
        match self.phase {
            Phase::Idle => None,
            Phase::Waiting { .. } | Phase::AtCard(_) => Some(self.connection),
        }
    }

    /// Where the connection in progress stands.
    pub fn at(&self) -> Step {
        match self.phase {
            Phase::Waiting { step, .. } | Phase::AtCard(step) => step,
            Phase::Idle => Step::Hello,
        }
    }

    fn header(&self) -> Header {
        Header { card: self.card, connection: self.connection, sequence: self.sequence }
    }

    /// Sends a request and waits for its answer.
    fn request(
        &mut self,
        rules: &ClientRules,
        now: SimTime,
        step: Step,
        message: Message<'_>,
        failure: Option<Cause>,
        out: &mut Outbox<ClientEffect>,
    ) {
        self.request.clear();
        message::encode(self.header(), message, &mut self.request);
        self.sent(rules, now, step, failure, out);
    }

    /// Sends what lies in `self.request` for the first time.
    fn sent(
        &mut self,
        rules: &ClientRules,
        now: SimTime,
        step: Step,
        failure: Option<Cause>,
        out: &mut Outbox<ClientEffect>,
    ) {
        let interval = rules.retry.first;
        self.phase = Phase::Waiting { step, copies: 1, interval, deadline: now + interval, failure };
        let datagram = out.put(|bytes| bytes.extend_from_slice(&self.request));
        out.effects.push(ClientEffect::Send { datagram, sequence: self.sequence, copy: 0 });
    }

    /// Sends the next request of the connection.
    fn next_request(
        &mut self,
        rules: &ClientRules,
        now: SimTime,
        step: Step,
        message: Message<'_>,
        out: &mut Outbox<ClientEffect>,
    ) {
        self.sequence += 1;
        self.request(rules, now, step, message, None, out);
    }

    /// Tells the server about a refusal of the card's, and ends with `cause` once that has been heard.
    fn report_no(
        &mut self,
        rules: &ClientRules,
        now: SimTime,
        step: Step,
        message: Message<'_>,
        cause: Cause,
        out: &mut Outbox<ClientEffect>,
    ) {
        self.sequence += 1;
        self.request(rules, now, step, message, Some(cause), out);
    }

    fn wake(&mut self, rules: &ClientRules, now: SimTime, out: &mut Outbox<ClientEffect>) {
        let Phase::Waiting { step, copies, interval, deadline, failure } = &mut self.phase else { return };
        if now < *deadline {
            return;
        }
        if *copies >= rules.retry.tries {
            let (step, cause) = (*step, failure.unwrap_or(Cause::GaveUp));
            return self.fail(step, cause, out);
        }
        let copy = *copies;
        *copies += 1;
        *interval = *interval * u64::from(rules.retry.factor);
        *deadline = now + *interval;
        let datagram = out.put(|bytes| bytes.extend_from_slice(&self.request));
        out.effects.push(ClientEffect::Send { datagram, sequence: self.sequence, copy });
    }

    fn receive(
        &mut self,
        rules: &ClientRules,
        now: SimTime,
        datagram: &[u8],
        out: &mut Outbox<ClientEffect>,
    ) {
        let (header, message) = match message::decode(datagram) {
            Ok(decoded) => decoded,
            Err(error) => return out.effects.push(ClientEffect::Rejected(error.into())),
        };
        if let Phase::AtCard(step @ Step::GetChallenge) = self.phase
            && header == self.header()
            && planted::is(Bug::ClientRepeatsCommand)
        {
            let again = Instruction::get_challenge(rules.suite.sizes().challenge);
            return self.instruct(rules, step, again, out);
        }
        let Phase::Waiting { step, failure, .. } = self.phase else {
            return; // the card has the word: this answer has been acted on
        };
        if header != self.header() {
            return; // an answer that came late, or twice
        }
        let sizes = rules.suite.sizes();
        match (step, message) {
            (step, Message::Stale) => self.end(Ending::Failed { step, cause: Cause::Stale }, out),
            (step, Message::Done { again: false }) if failure.is_some() => {
                let cause = failure.expect("the guard has seen it");
                self.end(Ending::Failed { step, cause }, out);
            }
            (Step::Hello, Message::Challenge { update, pair, rs }) if rs.len() == sizes.challenge => {
                self.pair = pair;
                out.effects.push(ClientEffect::Challenged { update });
                let prove = Instruction::internal_authenticate(pair.internal, rs);
                self.instruct(rules, Step::ProveCard, prove, out);
            }
            (Step::CardProof, Message::Verdict(true)) if failure.is_none() => {
                self.instruct(rules, Step::GetChallenge, Instruction::get_challenge(sizes.challenge), out);
            }
            (step @ Step::CardProof, Message::Verdict(false)) => {
                let cause = failure.unwrap_or(Cause::ServerSaidNo);
                self.end(Ending::Failed { step, cause }, out);
            }
            (Step::ServerChallenge, Message::ServerProof(csi)) if csi.len() == sizes.proof => {
                let external = self.pair.external;
                let check = Instruction::external_authenticate(external, csi);
                self.instruct(rules, Step::CheckServer, check, out);
            }
            (Step::ServerVerdict, Message::UpdateRandoms { upper, orders })
                if failure.is_none() && orders.fit(sizes.renewal_random) =>
            {
                self.upper = upper;
                self.orders.keep(orders);
                self.obtained = 0;
                self.seeds.clear();
                self.renew_next(rules, out);
            }
            (Step::ServerVerdict | Step::UpdateVerdict, Message::SessionSeed { internal, ro })
                if failure.is_none() && ro.len() == sizes.challenge =>
            {
                let prove = Instruction::internal_authenticate(internal, ro);
                self.instruct(rules, Step::SessionKey, prove, out);
            }
            (Step::ServerVerdict | Step::UpdateVerdict, Message::Done { again: true })
                if failure.is_none() =>
            {
                self.bye(out);
                self.end(Ending::Again, out);
            }
            (Step::Data, Message::DataAnswer(sealed)) => {
                self.data_answered(rules, now, &datagram[..HEADER], sealed, out);
            }
            (Step::Probe, Message::ProbeAnswer) => self.end(Ending::Completed, out),
            _ => out.effects.push(ClientEffect::Rejected(Reject::OutOfOrder)),
        }
    }

    fn data_answered(
        &mut self,
        rules: &ClientRules,
        now: SimTime,
        header: &[u8],
        sealed: &[u8],
        out: &mut Outbox<ClientEffect>,
    ) {
        let channel = self.channel.as_ref().expect("data is awaited in an open session only");
        self.plain.clear();
        if !channel.open(Direction::Down, self.exchange.into(), header, sealed, &mut self.plain) {
            return out.effects.push(ClientEffect::Rejected(Reject::BadSeal));
        }
        self.exchange += 1;
        self.exchange_data(rules, now, out);
    }

    /// Sends the next request of the session, or ends it after the last.
    fn exchange_data(&mut self, rules: &ClientRules, now: SimTime, out: &mut Outbox<ClientEffect>) {
        if self.exchange == rules.exchanges {
            self.bye(out);
            return self.end(Ending::Completed, out);
        }
        self.sequence += 1;
        let header = self.header();
        let plain = usize::from(rules.request_bytes);
        self.request.clear();
        message::start_data(header, false, plain + TAG, &mut self.request);
        let start = self.request.len();
        self.request.resize(start + plain, self.exchange as u8);
        let channel = self.channel.as_ref().expect("a session has been opened");
        channel.seal(Direction::Up, self.exchange.into(), &mut self.request, HEADER, start);
        self.sent(rules, now, Step::Data, None, out);
    }

    /// Gives the card an instruction: its first APDU, if it takes several.
    fn instruct(
        &mut self,
        rules: &ClientRules,
        step: Step,
        instruction: Instruction<'_>,
        out: &mut Outbox<ClientEffect>,
    ) {
        self.phase = Phase::AtCard(step);
        self.dialogue.speak(rules.protocol);
        let apdu = self.dialogue.begin(instruction);
        let command = out.put(|bytes| bytes.extend_from_slice(apdu));
        out.effects.push(ClientEffect::Command(command));
    }

    /// The card has answered an APDU: sends the next one of the instruction, or takes its answer.
    fn apdu_answered(
        &mut self,
        rules: &ClientRules,
        now: SimTime,
        step: Step,
        answer: &[u8],
        out: &mut Outbox<ClientEffect>,
    ) {
        let mut data = std::mem::take(&mut self.answer);
        data.clear();
        let status = match self.dialogue.answered(answer) {
            Ok(Turn::Apdu(apdu)) => {
                let command = out.put(|bytes| bytes.extend_from_slice(apdu));
                out.effects.push(ClientEffect::Command(command));
                self.answer = data;
                return;
            }
            Ok(Turn::Done(answer, status)) if is_sound(step, rules.suite.sizes(), answer, status) => {
                data.extend_from_slice(answer);
                status
            }
            Ok(Turn::Done(..)) | Err(_) => {
                out.effects.push(ClientEffect::Rejected(Reject::Malformed));
                StatusWord::NO_DIAGNOSIS
            }
        };
        self.card_answered(rules, now, step, &data, status, out);
        self.answer = data;
    }

    fn card_answered(
        &mut self,
        rules: &ClientRules,
        now: SimTime,
        step: Step,
        data: &[u8],
        status: StatusWord,
        out: &mut Outbox<ClientEffect>,
    ) {
        let mut refusal = (status != StatusWord::OK).then_some(Cause::CardSaidNo(status));
        if refusal.is_some()
            && matches!(step, Step::StoreKey | Step::DeriveKey)
            && planted::is(Bug::ClientHidesNg)
        {
            refusal = None;
        }
        match (step, refusal) {
            (Step::Select, None) => {
                self.card = files::card_number(data).expect("a sound answer has it");
                self.request(rules, now, Step::Hello, Message::Hello, None, out);
            }
            (Step::ProveCard, None) => {
                self.next_request(rules, now, Step::CardProof, Message::CardProof(data), out);
            }
            (Step::ProveCard, Some(cause)) if rules.reports_refusals => {
                self.report_no(rules, now, Step::CardProof, Message::CardProof(&[]), cause, out);
            }
            (Step::GetChallenge, None) => {
                self.next_request(rules, now, Step::ServerChallenge, Message::ServerChallenge(data), out);
            }
            (Step::CheckServer, None) => {
                out.effects.push(ClientEffect::Authenticated);
                self.next_request(rules, now, Step::ServerVerdict, Message::ServerVerdict(true), out);
            }
            (Step::CheckServer, Some(cause)) => {
                out.effects.push(ClientEffect::ServerRefused);
                self.report_no(rules, now, Step::ServerVerdict, Message::ServerVerdict(false), cause, out);
            }
            (Step::ObtainKey | Step::StoreKey | Step::DeriveKey | Step::RenewRoot, None) => {
                self.renewed(rules, now, step, data, out);
            }
            (Step::ObtainKey | Step::StoreKey | Step::DeriveKey | Step::RenewRoot, Some(cause)) => {
                self.report_no(rules, now, Step::UpdateVerdict, Message::UpdateVerdict(false), cause, out);
            }
            (Step::SessionKey, None) => {
                self.channel = Some(Channel::new(rules.suite.session_key(data)));
                self.exchange_data(rules, now, out);
            }
            (step, Some(cause)) => self.fail(step, cause, out),
            (step, None) => unreachable!("{} is no card command", step.name()),
        }
    }

    /// Ends the connection with a failure that the server does not know of yet.
    fn fail(&mut self, step: Step, cause: Cause, out: &mut Outbox<ClientEffect>) {
        if step != Step::Probe {
            self.bye(out);
        }
        self.end(Ending::Failed { step, cause }, out);
    }

    fn bye(&mut self, out: &mut Outbox<ClientEffect>) {
        self.sequence += 1;
        let header = self.header();
        let datagram = out.put(|bytes| message::encode(header, Message::Bye, bytes));
        out.effects.push(ClientEffect::Send { datagram, sequence: self.sequence, copy: 0 });
    }

    fn end(&mut self, ending: Ending, out: &mut Outbox<ClientEffect>) {
        self.phase = Phase::Idle;
        out.effects.push(ClientEffect::Ended(ending));
    }
}

/// Whether a card's answer to the instruction of `step` is of the form that it calls for.
fn is_sound(step: Step, sizes: Sizes, data: &[u8], status: StatusWord) -> bool {
    let length = match step {
        Step::Select => return status != StatusWord::OK || files::card_number(data).is_some(),
        Step::ProveCard | Step::SessionKey => sizes.proof,
        Step::GetChallenge => sizes.challenge,
        Step::ObtainKey => sizes.seed,
        _ => 0,
    };
    status != StatusWord::OK || data.len() == length
}
