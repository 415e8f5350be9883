//! A memory of what a suite has worked out before, for whoever works the same things out again and again.
//!
//! The operations of a suite are pure: the same bytes in give the same bytes out. Asymmetric ones take from tens of
//! microseconds to a tenth of a second. A thread that has called [`memoise`] keeps each of their results, by operation
//! and input, and takes it from there the next time. Symmetric ones cost less than the search, and are never kept. No
//! thread does so by itself, and one that does not pays for one look at a thread-local cell per asymmetric operation.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::{Operation, SuiteId};

/// Operation, suite, and the inputs with their lengths: the one that differs most comes first.
type Question = (Operation, &'static str, Vec<u8>);

/// So many results are kept; then it begins anew. About 100 MB with `rsa-1024`.
const MOST: usize = 200_000;

thread_local! {
    static KNOWN: RefCell<Option<BTreeMap<Question, Vec<u8>>>> = const { RefCell::new(None) };
}

/// From now on this thread keeps results of asymmetric suites (`true`), or forgets them and works each out afresh.
pub fn memoise(keep: bool) {
    KNOWN.with_borrow_mut(|known| match known {
        Some(_) if keep => {}
        _ => *known = keep.then(BTreeMap::new),
    });
}

/// Appends to `out` what `work` appends to its argument: from memory, if this thread keeps one and has it.
pub(super) fn recall(
    operation: Operation,
    suite: SuiteId,
    inputs: &[&[u8]],
    out: &mut Vec<u8>,
    work: impl FnOnce(&mut Vec<u8>),
) {
    KNOWN.with_borrow_mut(|known| {
        let Some(known) = known else { return work(out) };
        let mut question = Vec::with_capacity(inputs.iter().map(|input| input.len() + 4).sum());
        for input in inputs {
            question.extend_from_slice(input);
        }
        // Where one input ends and the next begins counts too.
        inputs.iter().for_each(|input| question.extend_from_slice(&(input.len() as u32).to_le_bytes()));
        let question = (operation, suite.name(), question);
        if let Some(answer) = known.get(&question) {
            return out.extend_from_slice(answer);
        }
        let start = out.len();
        work(out);
        if known.len() == MOST {
            known.clear();
        }
        known.insert(question, out[start..].to_vec());
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Appends a result and counts how often it had to be worked out.
    fn ask(inputs: &[&[u8]], worked: &mut u32) -> Vec<u8> {
        let mut out = vec![9];
        recall(Operation::Prove, SuiteId::Rsa1024, inputs, &mut out, |out| {
            *worked += 1;
            out.extend_from_slice(&inputs.concat());
        });
        out
    }

    #[test]
    fn a_result_is_worked_out_once_and_only_while_it_is_wanted() {
        let mut worked = 0;
        for (keep, expected) in [(false, 2), (true, 3), (true, 3), (false, 5)] {
            memoise(keep);
            for _ in 0..2 {
                assert_eq!(ask(&[&[1], &[2, 3]], &mut worked), [9, 1, 2, 3]);
            }
            assert_eq!(worked, expected, "{keep}");
        }
        memoise(true);
        ask(&[&[1], &[2, 3]], &mut worked);
        ask(&[&[1, 2], &[3]], &mut worked);
        assert_eq!(worked, 7, "the same bytes, divided otherwise, are another question");
        memoise(false);
    }
}
