//! One row of the matrix once more, for someone who wants to see what happened.

use keystorm_model::card::{PageLayout, WriteMode};
use keystorm_model::client::Ending;
use keystorm_model::server::{Embodiment, Recovery};
use keystorm_model::suite::{Crypto, SuiteId};
use keystorm_model::{ConnectionId, Depth};

use super::combination::{Combination, DueDepths, Setup};
use super::cuts::{Cut, cut_all};
use super::findings::Verdict;
use super::matrix::{CONNECTIONS, heal};
use super::party::World;
use super::talk::Talk;

/// A row of `interruptions.csv` by what names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RowName {
    /// Column `suite`.
    pub suite: String,
    /// Column `crypto`.
    pub crypto: String,
    /// Column `embodiment`.
    pub embodiment: String,
    /// Column `recovery`.
    pub recovery: String,
    /// Column `nvm`.
    pub nvm: String,
    /// Column `layout`.
    pub layout: String,
    /// Column `depth`.
    pub depth: String,
    /// Columns `cut_step` and `cut_kind`.
    pub cut: [String; 2],
    /// Columns `cut2_step` and `cut2_kind`, where they are not empty.
    pub second: Option<[String; 2]>,
}

/// Something that happened, in the order of a [`rerun`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A card is in the reader, and a client begins a connection.
    Connected {
        /// Its number, from 1.
        connection: ConnectionId,
        /// Moments of the memory's recovery at this power-up: 0 where there was nothing to restore.
        moments: u32,
    },
    /// The client sends a request. It arrives if [`Event::AtServer`] follows.
    Sent {
        /// The datagram.
        datagram: Vec<u8>,
    },
    /// A datagram arrives at the server.
    AtServer {
        /// The datagram.
        datagram: Vec<u8>,
    },
    /// The server answers. It arrives if [`Event::AtClient`] follows.
    Answered {
        /// The datagram.
        datagram: Vec<u8>,
    },
    /// A datagram arrives at the client.
    AtClient {
        /// The datagram.
        datagram: Vec<u8>,
    },
    /// The card carries a command out.
    Command {
        /// The command.
        command: Vec<u8>,
        /// Its answer; `None`: the card was pulled before it gave one.
        answer: Option<Vec<u8>>,
        /// The moments of writes to non-volatile memory that it passed.
        moments: u32,
    },
    /// The server has replaced the keys of this depth, or from it on, by those of a renewal.
    Committed {
        /// The depth.
        depth: Depth,
    },
    /// The server has crashed, and is back.
    ServerRestarts,
    /// Here it is cut.
    Cut(Cut),
    /// A connection is over for its client.
    Ended {
        /// Which one.
        connection: ConnectionId,
        /// How.
        ending: Ending,
    },
}

/// Sees a rerun.
pub trait Observer {
    /// Something has happened.
    fn see(&mut self, event: &Event);
}

impl<F: FnMut(&Event)> Observer for F {
    fn see(&mut self, event: &Event) {
        self(event);
    }
}

/// Runs the renewal of a row once more, with its cuts, and the connections that follow; `observer` sees all of it.
///
/// # Errors
/// If there is no such row: which of its names is unknown, and which are known.
pub fn rerun(row: &RowName, observer: &mut dyn Observer) -> Result<Verdict, String> {
    let setup = Setup::new(row.combination()?);
    let mut world = World::new(&setup);
    world.log = Some(Vec::new());
    let mut cut = find(&setup, world, &row.cut, "cut_step and cut_kind")?;
    if let Some(second) = &row.second {
        cut = find(&setup, cut, second, "cut2_step and cut2_kind")?;
    }
    let (verdict, mut last) = heal(&setup, cut, &mut Talk::default(), None);
    last.log.take().unwrap_or_default().iter().for_each(|event| observer.see(event));
    Ok(verdict)
}

/// The world as the cut of that name leaves it, in the connections that follow from `world`.
fn find(setup: &Setup, mut world: World, names: &[String; 2], columns: &str) -> Result<World, String> {
    let mut found = None;
    let mut talk = Talk::default();
    for number in 1..=CONNECTIONS {
        let mut visitor = |cuts: &[Cut], world: World| {
            for &cut in cuts {
                if found.is_none() && [cut.step.to_string(), cut.kind.to_string()] == *names {
                    found = Some(world.clone());
                }
            }
        };
        cut_all(setup, &mut world, number, &mut talk, &mut visitor);
        if found.is_some() {
            break;
        }
    }
    found.ok_or_else(|| format!("no such cut ({columns}): {} at {}", names[1], names[0]))
}

impl RowName {
    fn combination(&self) -> Result<Combination, String> {
        fn named<T: Copy>(
            column: &str,
            name: &str,
            all: &[T],
            of: fn(T) -> &'static str,
        ) -> Result<T, String> {
            let known = || all.iter().map(|&one| of(one)).collect::<Vec<_>>().join(", ");
            let found = all.iter().copied().find(|&one| of(one) == name);
            found.ok_or_else(|| format!("column {column}: no such name: {name:?}; known are: {}", known()))
        }
        Ok(Combination {
            suite: named("suite", &self.suite, &SuiteId::ALL, SuiteId::name)?,
            crypto: named("crypto", &self.crypto, &Crypto::ALL, Crypto::name)?,
            recovery: named("recovery", &self.recovery, &Recovery::ALL, Recovery::name)?,
            mode: named("nvm", &self.nvm, &WriteMode::ALL, WriteMode::name)?,
            layout: named("layout", &self.layout, &PageLayout::ALL, PageLayout::name)?,
            embodiment: named("embodiment", &self.embodiment, &Embodiment::ALL, Embodiment::name)?,
            due: named("depth", &self.depth, &DueDepths::ALL, DueDepths::name)?,
        })
    }
}
