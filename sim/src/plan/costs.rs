//! What each part of the server's work costs, and from that how long it works on a datagram.

use keystorm_model::Span;
use keystorm_model::server::ServerWork;
use keystorm_reports::results::{ServerPart, ServerTime};

/// Server time per part of the work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CostTable {
    /// One datagram received.
    pub receive: Span,
    /// One datagram sent.
    pub send: Span,
    /// One challenge answered, key set-up included.
    pub prove: Span,
    /// One proof checked, key set-up included.
    pub check: Span,
    /// One random answered from which a new key grows, key set-up included.
    pub derive: Span,
    /// One pair of keys generated from a proof; of no meaning with a symmetric suite.
    pub generate: Span,
    /// Setting up one session channel.
    pub channel: Span,
    /// Sealing or opening one message of session data, however short it is.
    pub aead: Span,
    /// The same for every 1,024 plain bytes of it.
    pub aead_kib: Span,
    /// One transaction of the client directory.
    pub commit: Span,
}

impl CostTable {
    /// How long one core works on a datagram that it receives, if that causes `work` and so many datagrams to be sent.
    pub fn time_of(&self, work: ServerWork, sent: u64) -> ServerTime {
        let aead = self.aead * u64::from(work.aeads) + self.aead_kib * u64::from(work.aead_bytes) / 1_024;
        [
            (ServerPart::Receive, self.receive),
            (ServerPart::Check, self.check * u64::from(work.checks)),
            (ServerPart::Prove, self.prove * u64::from(work.proves)),
            (ServerPart::Derive, self.derive * u64::from(work.derives)),
            (ServerPart::Generate, self.generate * u64::from(work.generates)),
            (ServerPart::Channel, self.channel * u64::from(work.channels)),
            (ServerPart::Aead, aead),
            (ServerPart::Commit, self.commit * u64::from(work.commits)),
            (ServerPart::Send, self.send * sent),
        ]
        .into_iter()
        .fold(ServerTime::default(), |time, (part, span)| time.with(part, span.as_ns()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COSTS: CostTable = CostTable {
        receive: Span::from_us(1),
        send: Span::from_us(10),
        prove: Span::from_us(100),
        check: Span::from_us(1_000),
        derive: Span::from_us(10_000),
        generate: Span::from_us(100_000),
        channel: Span::from_ms(1_000),
        aead: Span::from_ms(10_000),
        aead_kib: Span::from_us(1_024),
        commit: Span::from_ms(100_000),
    };

    #[test]
    fn every_part_is_charged_as_often_as_it_is_used() {
        let work = ServerWork {
            proves: 2,
            checks: 1,
            derives: 4,
            generates: 5,
            channels: 6,
            aeads: 7,
            aead_bytes: 3,
            commits: 8,
            probes: 0,
        };
        let time = COSTS.time_of(work, 3);
        // Three bytes sealed are 3 us, in the place of the single microseconds.
        assert_eq!(time.total() / 1_000, 876_541_234);
        assert_eq!(time.of(ServerPart::Aead), 70_000_003_000);
        assert_eq!(time.of(ServerPart::Send), 30_000);
    }

    #[test]
    fn a_datagram_that_is_not_answered_is_only_received() {
        assert_eq!(COSTS.time_of(ServerWork::default(), 0).total(), 1_000);
    }
}
