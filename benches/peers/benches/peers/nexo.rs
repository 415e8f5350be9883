//! The workload on nexosim, on one thread: a model for each terminal and one for the server.
//!
//! Delays go through nexosim's scheduler, in one of two styles. *Documented* is what its documentation shows: a
//! message leaves through an output port and its receiver schedules its own input at the time of arrival; a client's
//! timer is a keyed event that the answer cancels. *Tuned* does what keystorm's engine does: models hold the simulation's
//! scheduler and put a message into the receiver's event source directly, and a timer is not scheduled anew
//! while an earlier one stands.
//!
//! In both, a terminal schedules its next card holder only when the one before has come, so that nexosim's queue stays short.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use keystorm::plan::DelayPlan;
use keystorm_model::{ClientId, SimTime};
use nexosim::model::{BuildContext, Context, Model, ProtoModel, schedulable};
use nexosim::ports::{EventSource, Output};
use nexosim::simulation::{EventId, EventKey, Mailbox, Scheduler, SimInit};
use nexosim::time::MonotonicTime;
use serde::{Deserialize, Serialize};

use super::party::{Act, Common, Desk, Office};

/// A datagram and the terminal that it comes from or goes to.
type Packet = (u32, Vec<u8>);

/// How the workload is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Style {
    Documented,
    Tuned,
}

/// What models need to put an event into another model directly.
#[derive(Default)]
struct Wires {
    scheduler: OnceLock<Scheduler>,
    to_server: OnceLock<EventId<Packet>>,
    to_terminal: OnceLock<Vec<Option<EventId<Vec<u8>>>>>,
}

impl Wires {
    fn scheduler(&self) -> &Scheduler {
        self.scheduler.get().expect("the simulation has begun")
    }
}

fn time<M: Model>(cx: &Context<M>) -> SimTime {
    SimTime::from_ns(cx.time().duration_since(MonotonicTime::EPOCH).as_nanos() as u64)
}

fn instant(at: SimTime) -> MonotonicTime {
    MonotonicTime::EPOCH + Duration::from_nanos(at.as_ns())
}

/// A terminal.
#[derive(Serialize, Deserialize)]
struct Terminal {
    to_server: Output<Packet>,
    delay: Duration,
    /// When the timer stands.
    alarm_at: Option<u64>,
    /// What cancels it.
    alarm: Option<EventKey>,
}

/// The part of a terminal that cannot be serialised.
struct TerminalEnv {
    desk: Desk,
    acts: Vec<Act>,
    wires: Option<Arc<Wires>>,
}

struct ProtoTerminal {
    model: Terminal,
    env: TerminalEnv,
}

impl ProtoModel for ProtoTerminal {
    type Model = Terminal;

    fn build(self, _: &mut BuildContext<'_, Self>) -> (Terminal, TerminalEnv) {
        (self.model, self.env)
    }
}

#[Model(type Env=TerminalEnv)]
impl Terminal {
    #[nexosim(init)]
    async fn init(&mut self, cx: &Context<Self>, env: &mut TerminalEnv) {
        Self::expect_holder(cx, env);
    }

    fn expect_holder(cx: &Context<Self>, env: &TerminalEnv) {
        if let Some(at) = env.desk.next_arrival() {
            cx.schedule_event(instant(at), schedulable!(Self::arrive), ()).expect("arrivals are ahead");
        }
    }

    #[nexosim(schedulable)]
    async fn arrive(&mut self, _: (), cx: &Context<Self>, env: &mut TerminalEnv) {
        env.desk.arrive(&mut env.acts);
        Self::expect_holder(cx, env);
        self.act(cx, env).await;
    }

    #[nexosim(schedulable)]
    async fn reader_done(&mut self, _: (), cx: &Context<Self>, env: &mut TerminalEnv) {
        env.desk.reader_done(time(cx), &mut env.acts);
        self.act(cx, env).await;
    }

    #[nexosim(schedulable)]
    async fn alarm(&mut self, _: (), cx: &Context<Self>, env: &mut TerminalEnv) {
        (self.alarm_at, self.alarm) = (None, None);
        if env.desk.deadline().is_some_and(|at| at <= time(cx)) {
            env.desk.wake(time(cx), &mut env.acts);
        }
        self.act(cx, env).await;
    }

    /// A datagram is put on the line to this terminal.
    async fn line(&mut self, datagram: Vec<u8>, cx: &Context<Self>) {
        cx.schedule_event(self.delay, schedulable!(Self::receive), datagram).expect("the line takes time");
    }

    #[nexosim(schedulable)]
    async fn receive(&mut self, datagram: Vec<u8>, cx: &Context<Self>, env: &mut TerminalEnv) {
        env.desk.receive(time(cx), &datagram, &mut env.acts);
        self.act(cx, env).await;
    }

    async fn act(&mut self, cx: &Context<Self>, env: &mut TerminalEnv) {
        let mut acts = std::mem::take(&mut env.acts);
        for act in acts.drain(..) {
            match (act, &env.wires) {
                (Act::Send(datagram), None) => self.to_server.send((env.desk.id().0, datagram)).await,
                (Act::Send(datagram), Some(wires)) => {
                    let id = wires.to_server.get().expect("the bench has been built");
                    let packet = (env.desk.id().0, datagram);
                    wires.scheduler().schedule_event(self.delay, id, packet).expect("the line takes time");
                }
                (Act::Reader(span), _) => {
                    let after = Duration::from_nanos(span.as_ns());
                    cx.schedule_event(after, schedulable!(Self::reader_done), ()).expect("cards take time");
                }
            }
        }
        env.acts = acts;
        let due = env.desk.deadline().map(SimTime::as_ns);
        if env.wires.is_some() {
            self.alarm_by(due, cx);
        } else if due != self.alarm_at {
            self.alarm_exactly(due, cx);
        }
    }

    /// Sees to it that a timer stands at `due` or before.
    fn alarm_by(&mut self, due: Option<u64>, cx: &Context<Self>) {
        let Some(due) = due else { return };
        if self.alarm_at.is_none_or(|at| at > due) {
            self.alarm_at = Some(due);
            let at = instant(SimTime::from_ns(due));
            cx.schedule_event(at, schedulable!(Self::alarm), ()).expect("deadlines are ahead");
        }
    }

    /// Cancels the timer that stands, and sets it at `due`.
    fn alarm_exactly(&mut self, due: Option<u64>, cx: &Context<Self>) {
        if let Some(key) = self.alarm.take() {
            key.cancel();
        }
        self.alarm_at = due;
        self.alarm = due.map(|due| {
            let at = instant(SimTime::from_ns(due));
            cx.schedule_keyed_event(at, schedulable!(Self::alarm), ()).expect("deadlines are ahead")
        });
    }
}

/// The server.
#[derive(Serialize, Deserialize)]
struct Centre {
    to_terminal: Vec<Output<Vec<u8>>>,
    delay: Duration,
}

struct CentreEnv {
    office: Office,
    wires: Option<Arc<Wires>>,
}

struct ProtoCentre {
    model: Centre,
    env: CentreEnv,
}

impl ProtoModel for ProtoCentre {
    type Model = Centre;

    fn build(self, _: &mut BuildContext<'_, Self>) -> (Centre, CentreEnv) {
        (self.model, self.env)
    }
}

#[Model(type Env=CentreEnv)]
impl Centre {
    /// A datagram is put on the line to the server.
    async fn line(&mut self, packet: Packet, cx: &Context<Self>) {
        cx.schedule_event(self.delay, schedulable!(Self::receive), packet).expect("the line takes time");
    }

    #[nexosim(schedulable)]
    async fn receive(&mut self, (client, datagram): Packet, cx: &Context<Self>, env: &mut CentreEnv) {
        let Some(answer) = env.office.receive(time(cx), ClientId(client), &datagram) else { return };
        match &env.wires {
            None => self.to_terminal[client as usize].send(answer).await,
            Some(wires) => {
                let ids = wires.to_terminal.get().expect("the bench has been built");
                let id = ids[client as usize].as_ref().expect("who asks has a terminal");
                wires.scheduler().schedule_event(self.delay, id, answer).expect("the line takes time");
            }
        }
    }
}

/// Runs the workload until nothing is left to happen.
pub(crate) fn run(common: &Arc<Common>, style: Style) {
    let DelayPlan::Fixed(delay) = common.plan.line.delay else { panic!("the workload's delay is fixed") };
    let delay = Duration::from_nanos(delay.as_ns());
    let clients = common.plan.fleet.clients as usize;
    let wires = (style == Style::Tuned).then(Arc::<Wires>::default);

    let mut bench = SimInit::with_num_threads(1);
    let centre_box = Mailbox::with_capacity(1 << 10);
    let mut centre = Centre { to_terminal: (0..clients).map(|_| Output::default()).collect(), delay };
    let mut sources = vec![None; clients];
    let mut terminals = Vec::with_capacity(clients);
    for desk in Desk::all(common) {
        let (index, terminal_box) = (desk.id().index(), Mailbox::with_capacity(4));
        let mut model = Terminal { to_server: Output::default(), delay, alarm_at: None, alarm: None };
        if wires.is_some() {
            let source = EventSource::new().connect(Terminal::receive, &terminal_box);
            sources[index] = Some(source.register(&mut bench));
        } else {
            model.to_server.connect(Centre::line, &centre_box);
            centre.to_terminal[index].connect(Terminal::line, &terminal_box);
        }
        let env = TerminalEnv { desk, acts: Vec::new(), wires: wires.clone() };
        terminals.push((ProtoTerminal { model, env }, terminal_box));
    }
    if let Some(wires) = &wires {
        let source = EventSource::new().connect(Centre::receive, &centre_box);
        wires.to_server.set(source.register(&mut bench)).expect("set once");
        wires.to_terminal.set(sources).expect("set once");
    }
    for (terminal, terminal_box) in terminals {
        bench = bench.add_model(terminal, terminal_box, "terminal");
    }
    let env = CentreEnv { office: Office::new(common), wires: wires.clone() };
    bench = bench.add_model(ProtoCentre { model: centre, env }, centre_box, "server");
    // Nobody arrives at time 0 exactly; still, the simulation starts before it, as events must lie ahead.
    let start = MonotonicTime::new(-1, 0).expect("a second before the epoch");
    let mut simulation = bench.init(start).expect("the bench is sound");
    if let Some(wires) = &wires {
        wires.scheduler.set(simulation.scheduler()).expect("set once");
    }
    simulation.run().expect("the simulation runs to its end");
}

/// One model of the engine-only workload: passes a token on until it has made all of its hops.
#[derive(Serialize, Deserialize)]
struct Relay {
    arrivals: Vec<u64>,
    next: usize,
    hops: u32,
    delay: Duration,
}

#[Model]
impl Relay {
    #[nexosim(init)]
    async fn init(&mut self, cx: &Context<Self>) {
        self.expect_token(cx);
    }

    fn expect_token(&mut self, cx: &Context<Self>) {
        if let Some(&at) = self.arrivals.get(self.next) {
            self.next += 1;
            let at = instant(SimTime::from_ns(at));
            cx.schedule_event(at, schedulable!(Self::arrive), ()).expect("arrivals are ahead");
        }
    }

    #[nexosim(schedulable)]
    async fn arrive(&mut self, _: (), cx: &Context<Self>) {
        self.expect_token(cx);
        self.hop(self.hops, cx).await;
    }

    #[nexosim(schedulable)]
    async fn hop(&mut self, left: u32, cx: &Context<Self>) {
        if left > 0 {
            cx.schedule_event(self.delay, schedulable!(Self::hop), left - 1).expect("hops take time");
        }
    }
}

/// The engine alone: every arrival is followed by `hops` events, one after another.
pub(crate) fn relay(arrivals: &[Vec<u64>], hops: u32, delay: Duration) {
    let mut bench = SimInit::with_num_threads(1);
    for arrivals in arrivals {
        let model = Relay { arrivals: arrivals.clone(), next: 0, hops, delay };
        bench = bench.add_model(model, Mailbox::with_capacity(4), "relay");
    }
    let start = MonotonicTime::new(-1, 0).expect("a second before the epoch");
    bench.init(start).expect("the bench is sound").run().expect("the simulation runs to its end");
}
