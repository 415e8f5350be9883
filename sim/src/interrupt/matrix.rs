//! Every combination, every cut, and every cut of what follows a cut: what becomes of the card.

use std::collections::BTreeMap;
use std::rc::Rc;

use rayon::prelude::*;

use keystorm_model::card::WriteMode;
use keystorm_model::client::Ending;
use keystorm_model::server::Recovery;
use keystorm_model::suite;

use super::combination::{CARD, Combination, Setup};
use super::cuts::{Cut, Visitor, cut_all};
use super::findings::{Findings, Row, Verdict};
use super::party::World;
use super::standing::Standing;
use super::state::State;
use super::talk::Talk;
use keystorm_reports::results::Outcome;

/// A card that is not up to date after so many connections without faults is given up: more than any policy needs, and
/// enough to use up the tries of a key.
pub(super) const CONNECTIONS: u8 = 6;

/// How to go through the matrix.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Whether what follows a cut is cut as well.
    pub twice: bool,
    /// How many combinations are gone through at the same time.
    pub jobs: usize,
    /// Whether what has been worked out once is remembered: asymmetric operations, and what becomes of equal worlds. It
    /// changes no result.
    pub memory: bool,
}

impl Settings {
    /// With memory.
    pub const fn new(twice: bool, jobs: usize) -> Self {
        Settings { twice, jobs, memory: true }
    }
}

/// Goes through `combinations`. `watch` is called after each combination, from any thread, and with 0 more in between;
/// `false` ends it all, and there is no result. The results are in the order of the combinations, whatever the threads;
/// with one job everything happens in the calling thread.
///
/// # Errors
/// If the threads cannot be started.
pub fn run(
    combinations: &[Combination],
    settings: Settings,
    watch: impl Fn(u64) -> bool + Sync,
) -> Result<Option<Vec<Findings>>, String> {
    let one = |&combination: &Combination| {
        suite::memoise(settings.memory);
        let findings = Explorer::new(combination, settings).explore(&|| watch(0))?;
        watch(1).then_some(findings)
    };
    if settings.jobs <= 1 {
        return Ok(combinations.iter().map(one).collect());
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(settings.jobs).build();
    let pool = pool.map_err(|error| format!("cannot start the threads: {error}"))?;
    Ok(pool.install(|| combinations.par_iter().with_max_len(1).map(one).collect()))
}

/// What becomes of a world.
struct Judged {
    standing: Standing,
    verdict: Verdict,
    /// Rules that did not hold on the way.
    broken: Vec<String>,
}

/// A cut of what follows a cut.
struct Second {
    cut: Cut,
    judged: Rc<Judged>,
    /// Rules that did not hold in the connection that was cut.
    broken: Vec<String>,
}

/// Judges worlds, equal ones once.
struct Judge {
    setup: Rc<Setup>,
    memory: bool,
    known: BTreeMap<State, Rc<Judged>>,
    talk: Talk,
}

impl Judge {
    fn judge(&mut self, mut world: World) -> Rc<Judged> {
        let state = world.state(&self.setup);
        if let (true, Some(known)) = (self.memory, self.known.get(&state)) {
            return Rc::clone(known);
        }
        world.broken.clear();
        world.keeps_sent = false;
        let standing = world.standing(&self.setup);
        let promise = Promise::of(&self.setup, &world);
        let (verdict, last) = heal(&self.setup, world, &mut self.talk, None);
        let mut broken = last.broken;
        broken.extend(promise.broken(standing, verdict));
        let judged = Rc::new(Judged { standing, verdict, broken });
        self.known.insert(state, Rc::clone(&judged));
        judged
    }
}

/// Goes through one combination.
struct Explorer {
    judge: Judge,
    twice: bool,
    talk: Talk,
}

impl Explorer {
    fn new(combination: Combination, settings: Settings) -> Self {
        let setup = Rc::new(Setup::new(combination));
        let Settings { memory, twice, .. } = settings;
        let judge = Judge { setup, memory, known: BTreeMap::new(), talk: Talk::default() };
        Explorer { judge, twice, talk: Talk::default() }
    }

    /// `None` once `go_on` says no.
    fn explore(mut self, go_on: &dyn Fn() -> bool) -> Option<Findings> {
        let mut findings = Findings::new(self.judge.setup.combination);
        let mut firsts = Vec::new();
        for (cut, mut world) in self.first_cuts(&mut findings) {
            let broken = std::mem::take(&mut world.broken);
            let judged = self.judge.judge(world.clone());
            findings.once.add(judged.verdict, 1);
            findings.broken((cut, None), broken.iter().chain(&judged.broken));
            let row = Row { cut, second: None, standing: judged.standing, verdict: judged.verdict };
            findings.rows.push(row);
            firsts.push((row, world));
        }
        if self.twice {
            self.cut_again(firsts, &mut findings, go_on)?;
        }
        Some(findings)
    }

    /// Cuts what follows each of the first cuts. First cuts that leave worlds with one future are followed by the same:
    /// they are counted each, and the rows name the first of them.
    fn cut_again(
        &mut self,
        firsts: Vec<(Row, World)>,
        findings: &mut Findings,
        go_on: &dyn Fn() -> bool,
    ) -> Option<()> {
        let singles: BTreeMap<Cut, Verdict> = firsts.iter().map(|(row, _)| (row.cut, row.verdict)).collect();
        let mut places: BTreeMap<State, usize> = BTreeMap::new();
        let mut groups: Vec<(Row, World, u64)> = Vec::new();
        for (row, world) in firsts {
            let state = world.whole_state(&self.judge.setup);
            let place = *places.entry(state).or_insert(groups.len());
            match groups.get_mut(place) {
                Some(group) if self.judge.memory => group.2 += 1,
                _ => groups.push((row, world, 1)),
            }
        }
        for (first, world, times) in groups {
            if !go_on() {
                return None;
            }
            for Second { cut, judged, broken } in self.seconds(world) {
                findings.twice.add(judged.verdict, times);
                findings.broken((first.cut, Some(cut)), broken.iter().chain(&judged.broken));
                let alone = singles.get(&cut).map(|verdict| verdict.rank());
                if Some(judged.verdict.rank()) > alone.max(Some(first.verdict.rank())) {
                    let Judged { standing, verdict, .. } = *judged;
                    findings.rows.push(Row { second: Some(cut), standing, verdict, ..first });
                }
            }
        }
        Some(())
    }

    /// Every cut of the renewal and of the connections that it asks for, each with the world as it leaves it.
    fn first_cuts(&mut self, findings: &mut Findings) -> Vec<(Cut, World)> {
        let setup = &self.judge.setup;
        let mut found = Vec::new();
        let mut world = World::new(setup);
        for number in 1..=CONNECTIONS {
            let visitor: &mut Visitor<'_> = &mut |cuts, world| {
                found.extend(cuts.iter().map(|&cut| (cut, world.clone())));
            };
            if cut_all(setup, &mut world, number, &mut self.talk, visitor) != Ending::Again {
                break;
            }
        }
        if !world.is_up_to_date(setup) {
            findings.undisturbed("a renewal without faults does not succeed");
        }
        found
    }

    /// Every cut of the connections that follow from `world`.
    fn seconds(&mut self, mut world: World) -> Vec<Second> {
        let mut seconds = Vec::new();
        let Explorer { judge, talk, .. } = self;
        world.broken.clear();
        let setup = Rc::clone(&judge.setup);
        let mut visitor = |cuts: &[Cut], mut world: World| {
            if cuts.is_empty() {
                return;
            }
            let broken = std::mem::take(&mut world.broken);
            let judged = judge.judge(world);
            let second = |&cut| Second { cut, judged: Rc::clone(&judged), broken: broken.clone() };
            seconds.extend(cuts.iter().map(second));
        };
        heal(&setup, world, talk, Some(&mut visitor));
        seconds
    }
}

/// Connects without faults until the card is up to date and a session has worked, or nothing more comes of it. With a
/// `visitor` each of those connections is cut in every way.
pub(super) fn heal(
    setup: &Setup,
    mut world: World,
    talk: &mut Talk,
    mut visitor: Option<&mut Visitor<'_>>,
) -> (Verdict, World) {
    let mut needed = if world.is_up_to_date(setup) { Some(0) } else { None };
    for number in 1..=CONNECTIONS {
        let beginning = world.begin_undisturbed(setup);
        let ending = match visitor.as_deref_mut() {
            Some(visitor) => cut_all(setup, &mut world, number, talk, visitor),
            None => {
                talk.begin(setup, &mut world, number);
                talk.go_on(setup, &mut world, None);
                talk.undisturbed(setup, &mut world)
            }
        };
        world.judge_undisturbed(setup, &beginning);
        let next = world.server.next_assignment(CARD, world.now());
        if ending == Ending::Completed && next.renew.is_none() && !next.guess {
            let done = world.is_up_to_date(setup);
            needed = if done { needed.or(Some(number)) } else { None };
            return (Verdict { outcome: world.outcome(setup), connections: needed }, world);
        }
        if ending != Ending::Completed && needed.is_some() {
            needed = None;
        }
    }
    (Verdict { outcome: world.outcome(setup), connections: None }, world)
}

/// What a policy promises of a card as a cut has left it.
struct Promise {
    /// Connections without faults until all is renewed; `None`: no promise.
    connections: Option<usize>,
}

impl Promise {
    /// Memory that is written in place can tear; where it has not, the promise holds for it as well.
    fn of(setup: &Setup, world: &World) -> Self {
        let Combination { recovery, mode, .. } = setup.combination;
        let kept = mode != WriteMode::InPlace || world.is_intact(setup);
        let promised = recovery != Recovery::FirstContact && kept;
        Promise { connections: promised.then(|| world.allowed(setup)) }
    }

    /// What was not kept of it.
    fn broken(&self, standing: Standing, verdict: Verdict) -> Option<String> {
        let Verdict { outcome, connections } = verdict;
        if standing.is_forbidden() {
            return Some(format!("card and server hold {}", standing.card()));
        }
        let allowed = self.connections?;
        if !matches!(outcome, Outcome::Unharmed | Outcome::Healed) {
            return Some(format!("the card is {}", outcome.name()));
        }
        let late = connections.is_none_or(|connections| usize::from(connections) > allowed);
        late.then(|| match connections {
            Some(connections) => {
                format!("{connections} connections to heal, where the policy promises {allowed}")
            }
            None => format!("the card does not heal, where the policy promises {allowed} connections"),
        })
    }
}
