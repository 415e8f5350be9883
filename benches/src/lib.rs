//! criterion benches of keystorm; see `benches/benches/`.
