//! Every combination, every cut, and every cut of what follows a cut: what becomes of the card.

use rayon::prelude::*;

use keystorm_model::card::WriteMode;
use keystorm_model::client::Ending;
use keystorm_model::server::Recovery;
use keystorm_reports::results::{Interruption, Outcome, PairState};

use super::cuts::{Buffers, Cut, Visitor, connect};
use super::party::{CARD, Combination, SUITE, ServerSide, Setup, Standing, World};

/// A card that is not up to date after so many connections without faults is given up: more than any policy needs, and
/// enough to use up the tries of a key.
const CONNECTIONS: u8 = 6;

/// How it ended for a card.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// What became of it.
    pub outcome: Outcome,
    /// Connections without faults until everything is renewed and a session works; 0: it was renewed already. `None`:
    /// that does not happen before something falls due anew.
    pub connections: Option<u8>,
}

impl Verdict {
    /// Worse is greater. Whether a card was interrupted is no harm by itself.
    fn rank(self) -> (Outcome, u8) {
        let harm = if self.outcome == Outcome::Unharmed { Outcome::Healed } else { self.outcome };
        (harm, self.connections.unwrap_or(u8::MAX))
    }

    /// Whether the card goes on, but its renewal has to wait for the next period.
    pub fn is_missed(self) -> bool {
        self.connections.is_none() && matches!(self.outcome, Outcome::Unharmed | Outcome::Healed)
    }
}

/// A cut, or two in a row, and what came of it.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The cut.
    pub cut: Cut,
    /// That of a following connection.
    pub second: Option<Cut>,
    /// How card and server stand right after the last cut.
    pub standing: Standing,
    /// What came of it.
    pub verdict: Verdict,
}

/// Counts over cuts.
#[derive(Clone, Copy, Default, Debug)]
pub struct Tally {
    /// Cuts, or pairs of cuts.
    pub points: u64,
    /// By outcome, in the order of its declaration.
    outcomes: [u64; 6],
    /// Cards that go on, and whose renewal waits for the next period.
    pub missed: u64,
    /// The most connections that a card needed.
    pub most: u8,
}

impl Tally {
    fn add(&mut self, verdict: Verdict) {
        self.points += 1;
        self.outcomes[verdict.outcome as usize] += 1;
        self.missed += u64::from(verdict.is_missed());
        self.most = self.most.max(verdict.connections.unwrap_or(0));
    }

    /// How many ended so.
    pub const fn of(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }

    /// Both together.
    #[must_use]
    pub fn with(mut self, other: &Tally) -> Tally {
        self.points += other.points;
        self.outcomes.iter_mut().zip(other.outcomes).for_each(|(sum, count)| *sum += count);
        self.missed += other.missed;
        self.most = self.most.max(other.most);
        self
    }
}

/// What was found of one combination.
#[derive(Debug)]
pub struct Findings {
    /// The combination.
    pub combination: Combination,
    /// Every single cut, and the pairs of cuts that do more harm than either of the two.
    pub rows: Vec<Row>,
    /// Single cuts.
    pub once: Tally,
    /// Pairs of cuts.
    pub twice: Tally,
    /// Rules that did not hold.
    pub violations: Vec<String>,
}

impl Findings {
    /// The rows of `interruptions.csv`.
    pub fn csv_rows(&self) -> impl Iterator<Item = Interruption> + '_ {
        let Combination { recovery, mode, layout, embodiment, due } = self.combination;
        self.rows.iter().map(move |row| Interruption {
            suite: SUITE.name(),
            embodiment: embodiment.name(),
            recovery: recovery.name(),
            nvm: mode.name(),
            layout: layout.name(),
            cut_step: row.cut.step.to_string(),
            cut_kind: row.cut.kind.to_string(),
            card_state: row.standing.card(),
            server_state: ServerSide(&row.standing).to_string(),
            outcome: row.verdict.outcome,
            connections_to_heal: row.verdict.connections,
            depth: due.name(),
            cut2_step: row.second.map(|cut| cut.step.to_string()),
            cut2_kind: row.second.map(|cut| cut.kind.to_string()),
        })
    }
}

/// Goes through `combinations` on `jobs` threads; with `twice`, what follows a cut is cut as well. `watch` is called
/// after each combination, from any thread, and with 0 more in between; `false` ends it all, and there is no result. The results are in the
/// order of the combinations, whatever the threads.
///
/// # Errors
/// If the threads cannot be started.
pub fn run(
    combinations: &[Combination],
    twice: bool,
    jobs: usize,
    watch: impl Fn(u64) -> bool + Sync,
) -> Result<Option<Vec<Findings>>, String> {
    let one = |&combination: &Combination| {
        let findings = explore(combination, twice, &|| watch(0))?;
        watch(1).then_some(findings)
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs.max(1)).build();
    let pool = pool.map_err(|error| format!("cannot start the threads: {error}"))?;
    Ok(pool.install(|| combinations.par_iter().with_max_len(1).map(one).collect()))
}

/// One combination; `None` once `go_on` says no.
fn explore(combination: Combination, twice: bool, go_on: &dyn Fn() -> bool) -> Option<Findings> {
    let setup = Setup::new(combination);
    let mut buffers = [Buffers::default(), Buffers::default()];
    let firsts = first_cuts(&setup, &mut buffers[0]);
    let mut findings = Findings {
        combination,
        rows: Vec::with_capacity(firsts.len()),
        once: Tally::default(),
        twice: Tally::default(),
        violations: Vec::new(),
    };
    let mut pairs = Vec::new();
    for (place, (cut, world)) in firsts.into_iter().enumerate() {
        if !go_on() {
            return None;
        }
        let [outer, inner] = &mut buffers;
        let standing = world.standing(&setup);
        let allowed = world.allowed(&setup);
        let mut second = |second: Cut, world: World| {
            let row = judged(&setup, (cut, Some(second)), world, inner, &mut findings.violations);
            pairs.push((place, row));
        };
        let (verdict, last) = heal(&setup, world, outer, if twice { Some(&mut second) } else { None });
        let row = Row { cut, second: None, standing, verdict };
        check(&setup, &row, &last, allowed, &mut findings.violations);
        findings.once.add(verdict);
        findings.rows.push(row);
    }
    let singles = findings.rows.clone();
    for (place, row) in pairs {
        findings.twice.add(row.verdict);
        let other = singles.iter().find(|single| Some(single.cut) == row.second);
        let worst = other.map(|other| other.verdict.rank()).max(Some(singles[place].verdict.rank()));
        if Some(row.verdict.rank()) > worst {
            findings.rows.push(row);
        }
    }
    Some(findings)
}

/// Every cut of the renewal and of the connections that it asks for, each with the world as it leaves it.
fn first_cuts(setup: &Setup, buffers: &mut Buffers) -> Vec<(Cut, World)> {
    let mut cuts = Vec::new();
    let mut world = setup.world();
    for number in 1..=CONNECTIONS {
        let visitor: &mut Visitor<'_> = &mut |cut, world| cuts.push((cut, world));
        if connect(setup, &mut world, number, buffers, Some(visitor)) != Ending::Again {
            break;
        }
    }
    assert!(is_up_to_date(setup, &world), "a renewal without faults succeeds");
    cuts
}

fn is_up_to_date(setup: &Setup, world: &World) -> bool {
    let in_step = |pair| matches!(pair, PairState::Old | PairState::New);
    world.depths_due(setup) == 0 && world.standing(setup).pairs.into_iter().all(in_step)
}

/// Connects without faults until the card is up to date and a session has worked, or nothing more comes of it.
fn heal(
    setup: &Setup,
    mut world: World,
    buffers: &mut Buffers,
    mut visitor: Option<&mut Visitor<'_>>,
) -> (Verdict, World) {
    let mut needed = if is_up_to_date(setup, &world) { Some(0) } else { None };
    for number in 1..=CONNECTIONS {
        let watching = visitor.as_deref_mut();
        let ending = connect(setup, &mut world, number, buffers, watching);
        let next = world.server.next_assignment(CARD, world.now());
        if ending == Ending::Completed && next.renew.is_none() && !next.guess {
            let done = is_up_to_date(setup, &world);
            needed = if done { needed.or(Some(number)) } else { None };
            return (Verdict { outcome: world.outcome(setup), connections: needed }, world);
        }
        if ending != Ending::Completed && needed.is_some() {
            needed = None;
        }
    }
    (Verdict { outcome: world.outcome(setup), connections: None }, world)
}

fn judged(
    setup: &Setup,
    (cut, second): (Cut, Option<Cut>),
    world: World,
    buffers: &mut Buffers,
    violations: &mut Vec<String>,
) -> Row {
    let standing = world.standing(setup);
    let allowed = world.allowed(setup);
    let (verdict, last) = heal(setup, world, buffers, None);
    let row = Row { cut, second, standing, verdict };
    check(setup, &row, &last, allowed, violations);
    row
}

/// Safety and liveness: the server never has what the card never had; where memory does not tear, a card heals within
/// the connections that its policy allows.
fn check(setup: &Setup, row: &Row, last: &World, allowed: usize, violations: &mut Vec<String>) {
    let Verdict { outcome, connections } = row.verdict;
    let at_end = last.standing(setup);
    let combination = setup.combination;
    let promised = combination.recovery != Recovery::FirstContact && combination.mode != WriteMode::InPlace;
    let harmed = !matches!(outcome, Outcome::Unharmed | Outcome::Healed);
    let late = connections.is_none_or(|connections| usize::from(connections) > allowed);
    let what = if row.standing.is_forbidden() || at_end.is_forbidden() {
        format!("card and server hold {} after the cut, {} at the end", row.standing.card(), at_end.card())
    } else if promised && harmed {
        format!("the card is {}", outcome.name())
    } else if promised && late {
        format!("{connections:?} connections to heal, where the policy promises {allowed}")
    } else {
        return;
    };
    let Combination { recovery, mode, layout, embodiment, due } = combination;
    let second = row.second.map(|cut| format!(", then {} at {}", cut.kind, cut.step)).unwrap_or_default();
    violations.push(format!(
        "embodiment {}, {}, {}, {}, depth {}, {} at {}{second}: {what}",
        embodiment.name(),
        recovery.name(),
        mode.name(),
        layout.name(),
        due.name(),
        row.cut.kind,
        row.cut.step
    ));
}
