//! Messages that take several datagrams, as the world carries them.

use keystorm_model::Span;

use crate::common::{assert_all_renewed, quiet_but, run};

/// Proofs of 2,420 bytes, on both sides of an authentication, and nothing else that is long.
const LONG: [&str; 6] = [
    "fleet.suite=ml-dsa-44",
    "crypto=modelled",
    "fleet.cards=60",
    "engine=events",
    "server.costs.receive=1ms",
    "server.costs.send=1ms",
];

#[test]
fn a_proof_in_three_datagrams_is_three_messages_and_takes_the_server_three_times_as_long_to_move() {
    let cut_at = |bytes: &str| run(quiet_but(&[&LONG[..], &[bytes]].concat()));
    let (whole, cut) = (cut_at("line.datagram_bytes=65507"), cut_at("line.datagram_bytes=1000"));
    let (before, after) = (whole.results.counts, cut.results.counts);
    assert_all_renewed(&cut);
    assert!(before.auth_ok >= 60 && before.auth_ok == after.auth_ok, "{} authentications", after.auth_ok);
    assert_eq!((before.retransmissions, after.retransmissions), (0, 0));
    // Two more of the card's proof, two more of the server's.
    assert_eq!(after.messages_sent - before.messages_sent, 4 * after.auth_ok);
    assert_eq!(after.messages_delivered - before.messages_delivered, 4 * after.auth_ok);
    let more = cut.results.server.busy.total() - whole.results.server.busy.total();
    assert_eq!(more, (Span::from_ms(4) * after.auth_ok).as_ns());
}

/// Late copies are copies of every part: the sums that `run` adds up would not come out otherwise.
#[test]
fn a_long_message_comes_late_in_all_its_parts() {
    let late = ["line.datagram_bytes=1000", "faults.late=40%", "faults.late_by=3s"];
    let finished = run(quiet_but(&[&LONG[..], &late].concat()));
    let whole = run(quiet_but(&[&LONG[..], &["line.datagram_bytes=65507"], &late[1..]].concat()));
    let [parts, wholes] = [&finished, &whole].map(|run| run.results.counts.messages_duplicated);
    assert!(wholes > 5 && parts > wholes, "{parts} parts, {wholes} whole messages came late");
}
