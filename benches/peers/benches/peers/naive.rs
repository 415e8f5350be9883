//! The workload on turmoil as one would first write it: one host for each card, and one for the server.
//!
//! Each card's host is a small async program over a UDP socket, turmoil's own latency is the line's delay, and turmoil
//! steps through time a millisecond at a time. tokio's timers round the card's times up to milliseconds.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use keystorm::plan::DelayPlan;
use keystorm::world::load::arrivals;
use keystorm_model::{ClientId, SimTime};
use tokio::time::{Instant, sleep, sleep_until};
use turmoil::net::UdpSocket;

use super::party::{Act, Common, Desk, Office};

const PORT: u16 = 1000;
type Programme = Result<(), Box<dyn std::error::Error>>;

fn elapsed(start: Instant) -> SimTime {
    SimTime::from_ns((Instant::now() - start).as_nanos() as u64)
}

/// Runs the workload until every card's program has ended.
pub(crate) fn run(common: &Arc<Common>) {
    let DelayPlan::Fixed(delay) = common.plan.line.delay else { panic!("the workload's delay is fixed") };
    let delay = Duration::from_nanos(delay.as_ns());
    let mut sim = turmoil::Builder::new()
        .rng_seed(common.plan.seed)
        .epoch(SystemTime::UNIX_EPOCH)
        .tick_duration(Duration::from_millis(1))
        .min_message_latency(delay)
        .max_message_latency(delay)
        .fail_rate(0.0)
        .udp_capacity(1 << 20)
        .simulation_duration(Duration::from_nanos(common.plan.horizon.as_ns()))
        .build();
    let server = Arc::clone(common);
    sim.host("server", move || server_program(Arc::clone(&server)));
    for arrival in arrivals(&common.plan) {
        let desk = Desk::new(common, arrival.client, vec![arrival]);
        sim.client(format!("card-{}", arrival.card), card_program(desk, delay));
    }
    sim.run().expect("the programs end well");
}

async fn server_program(common: Arc<Common>) -> Programme {
    let (start, mut office) = (Instant::now(), Office::new(&common));
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    let mut buffer = vec![0; 2048];
    loop {
        let (length, peer) = socket.recv_from(&mut buffer).await?;
        let (client, datagram) = buffer[..length].split_first_chunk().expect("packets name their client");
        let client = ClientId(u32::from_le_bytes(*client));
        if let Some(answer) = office.receive(elapsed(start), client, datagram) {
            socket.send_to(&answer, peer).await?;
        }
    }
}

async fn card_program(mut desk: Desk, delay: Duration) -> Programme {
    let start = Instant::now();
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    let arrival = desk.next_arrival().expect("one card holder comes");
    sleep_until(start + Duration::from_nanos(arrival.as_ns())).await;
    let (mut acts, mut buffer, mut packet) = (Vec::new(), vec![0; 2048], Vec::new());
    desk.arrive(&mut acts);
    while !desk.is_done() || !acts.is_empty() {
        let mut reader = None;
        for act in acts.drain(..) {
            match act {
                Act::Send(datagram) => {
                    packet.clear();
                    packet.extend_from_slice(&desk.id().0.to_le_bytes());
                    packet.extend_from_slice(&datagram);
                    socket.send_to(&packet, ("server", PORT)).await?;
                }
                Act::Reader(span) => reader = Some(Duration::from_nanos(span.as_ns())),
            }
        }
        if let Some(span) = reader {
            sleep(span).await;
            desk.reader_done(elapsed(start), &mut acts);
        } else if let Some(deadline) = desk.deadline() {
            let deadline = start + Duration::from_nanos(deadline.as_ns());
            match tokio::time::timeout_at(deadline, socket.recv_from(&mut buffer)).await {
                Ok(received) => desk.receive(elapsed(start), &buffer[..received?.0], &mut acts),
                Err(_) => desk.wake(elapsed(start), &mut acts),
            }
        }
    }
    sleep(delay * 2).await; // until the last message has arrived
    Ok(())
}
