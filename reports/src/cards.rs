//! `cards.csv`: every card at the end of the run, written as the rows come.

use std::io;

use crate::results::{CardRow, DepthRow};
use crate::table::{Cell, Column, CsvRows, Table};

/// Writes `cards.csv` row by row; at no time does it hold more than one.
pub struct CardsCsv<W: io::Write>(CsvRows<CardRow, W>);

impl<W: io::Write> CardsCsv<W> {
    /// Writes the header for cards with `depths` pairs of keys.
    pub fn create(out: W, depths: usize) -> io::Result<CardsCsv<W>> {
        Ok(CardsCsv(CsvRows::create(cards_table(depths), out)?))
    }

    /// Writes one card. A depth that the card does not have is left empty.
    ///
    /// # Panics
    /// Where the card has more depths than the header: a row must not lose what it holds.
    pub fn row(&mut self, card: &CardRow) -> io::Result<()> {
        self.0.row(card)
    }

    /// Flushes. Without it an error may go unnoticed.
    pub fn finish(self) -> io::Result<()> {
        self.0.finish()
    }
}

/// The table of `cards.csv` for cards with `depths` pairs of keys.
pub(crate) fn cards_table(depths: usize) -> Table<CardRow> {
    let mut columns = vec![
        Column::int("card", "The card's number.", |c: &CardRow| u64::from(c.card)),
        Column::new(
            "outcome",
            "`unharmed`: never interrupted, in step with the server. `healed`: interrupted, in step again. \
             `reissued`: went back to the issuer. `blocked`: no tries left on a key that it needs. \
             `torn`: a key is unreadable. `stranded`: no pair that the policy would choose authenticates.",
            move |c: &CardRow| {
                assert!(c.depths.len() <= depths, "card {} has more than {depths} depths", c.card);
                Cell::text(c.outcome.name())
            },
        ),
    ];
    for depth in 0..depths {
        columns.extend(depth_columns(depth));
    }
    columns.extend([
        Column::int("nvm_writes", "Page writes to the card's non-volatile memory.", |c: &CardRow| {
            u64::from(c.nvm_writes)
        }),
        Column::int("sessions", "Sessions completed.", |c: &CardRow| u64::from(c.sessions)),
        Column::new(
            "last_success_s",
            "End of the last completed session, simulated seconds; empty where there was none.",
            |c: &CardRow| c.last_success_ns.map_or(Cell::Empty, Cell::seconds),
        ),
    ]);
    Table::new(
        "cards.csv",
        "One row per card after the epilogue. The columns `d0_…` are of depth 0, the working pair of keys; \
         the same follow for every further depth as `d1_…`, `d2_…`. A version counts a card's update attempts; \
         0 is the key at issue.",
        columns,
    )
}

fn depth_columns(depth: usize) -> [Column<CardRow>; 6] {
    let name = |what: &str| format!("d{depth}_{what}");
    let version = |what: &str, doc: &'static str, of: fn(&DepthRow) -> u32| {
        Column::new(name(what), doc, move |c: &CardRow| {
            c.depths.get(depth).map_or(Cell::Empty, |pair| Cell::Int(u64::from(of(pair))))
        })
    };
    [
        version("card_internal", "Version of the internal key on the card (Kai).", |d| d.card_internal),
        version("card_external", "Version of the external key on the card (Kae).", |d| d.card_external),
        version("server_internal", "Version of the internal key's partner on the server (Kse).", |d| {
            d.server_internal
        }),
        version("server_external", "Version of the external key's partner on the server (Ksi).", |d| {
            d.server_external
        }),
        Column::new(
            name("state"),
            "Card against server, by value: `old`: equal, not renewed. `new`: equal, renewed. `split`: one key of \
             the pair is newer on the card. `card ahead`: both are. `server ahead` and `diverged`: violations.",
            move |c: &CardRow| c.depths.get(depth).map_or(Cell::Empty, |pair| Cell::text(pair.state.name())),
        ),
        Column::new(name("tries_left"), "Tries left on the external key.", move |c: &CardRow| {
            c.tries_left.get(depth).map_or(Cell::Empty, |tries| Cell::Int(u64::from(*tries)))
        }),
    ]
}
