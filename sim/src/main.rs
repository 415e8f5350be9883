//! The keystorm binary.
use std::time::Instant;
#[allow(clippy::disallowed_methods)]
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let plan = keystorm::scenario::load(args[1].as_ref(), &args[2..]).map_err(miette::Report::new).unwrap();
    let t = Instant::now();
    let done = keystorm::run::simulate(plan, &mut |_| true).unwrap();
    eprintln!("{:?}", t.elapsed());
    println!("{}", keystorm_reports::final_table(&done.results, None));
    for v in done.violations.iter().take(10) { println!("{v}"); }
}
