//! How many commands a card is given.

use super::ClientRules;
use crate::orders::Way;
use crate::reader::apdus;

/// How many APDUs the card is given in a connection that goes well, and renews so many keys in this way if any.
pub fn commands_in_connection(rules: &ClientRules, renewal: Option<(Way, u32)>) -> u32 {
    let sizes = rules.suite.sizes();
    let apdus = |data, answer| apdus(rules.protocol, data, answer);
    let prove = apdus(sizes.challenge, sizes.proof);
    let obtain = apdus(sizes.renewal_random, sizes.seed);
    let renewal = match renewal {
        None => 0,
        Some((Way::ThroughClient | Way::RootThroughClient, keys)) => keys * (obtain + apdus(sizes.seed, 0)),
        Some((Way::InsideCard, keys)) => keys * apdus(sizes.renewal_random, 0),
        Some((Way::RootInsideCard, _)) => apdus(2 * sizes.renewal_random, 0),
    };
    let challenge = apdus(0, sizes.challenge);
    u32::from(!rules.implicit_df) + prove + challenge + apdus(sizes.proof, 0) + renewal + prove
}

/// How many requests with an answer the client sends in a connection that goes well to its session's end, and renews keys
/// or does not.
pub fn requests_in_connection(rules: &ClientRules, renews: bool) -> u32 {
    const AUTHENTICATION: u32 = 4; // Hello, CardProof, ServerChallenge, ServerVerdict
    AUTHENTICATION + u32::from(renews) + u32::from(rules.exchanges)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::transport::Protocol;
    use crate::client::Retry;
    use crate::suite::SuiteId;
    use crate::time::Span;

    #[test]
    fn every_way_has_its_commands() {
        let retry = Retry { first: Span::from_secs(1), factor: 2, tries: 3 };
        let rules = |protocol, implicit_df| ClientRules {
            suite: SuiteId::Aes128,
            protocol,
            implicit_df,
            retry,
            exchanges: 1,
            request_bytes: 16,
            reports_refusals: false,
        };
        let t1 = |renewal| commands_in_connection(&rules(Protocol::T1, true), renewal);
        assert_eq!(t1(None), 4, "Rs, GET CHALLENGE, EXTERNAL AUTHENTICATE, Ro");
        assert_eq!(t1(Some((Way::ThroughClient, 2))), 8);
        assert_eq!(t1(Some((Way::InsideCard, 2))), 6);
        assert_eq!(t1(Some((Way::RootInsideCard, 2))), 5);
        let t0 = |renewal| commands_in_connection(&rules(Protocol::T0, false), renewal);
        assert_eq!(t0(None), 4 + 1 + 2, "SELECT, and GET RESPONSE for Rs and Ro");
        assert_eq!(t0(Some((Way::ThroughClient, 2))), 4 + 1 + 2 + 2 * 3);
    }
}
