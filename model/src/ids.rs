//! Names of things: small newtypes, so that a card number is never taken for a key number.

use core::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
        pub struct $name(pub $inner);

        impl $name {
            /// The number as an index into a dense table.
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A card, numbered densely from 0 over the fleet.
    CardId(u32)
}
id! {
    /// A client machine, numbered densely from 0.
    ClientId(u32)
}
id! {
    /// A site: the place whose clients share one line outage.
    SiteId(u16)
}
id! {
    /// The number of a key in its ring, from 1 \[0040\].
    KeyNo(u8)
}
id! {
    /// How far a pair of keys lies above the working pair: depth `d` is the pair (M-d, N-d) (claim 9).
    Depth(u8)
}
id! {
    /// A connection as its client numbers it: unique over all connections of a run.
    ConnectionId(u64)
}
id! {
    /// A connection of one card as the server numbers it, when it draws the challenge Rs.
    ConnectionNo(u64)
}
