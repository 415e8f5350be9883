//! A memory of what a suite has worked out before, for whoever works the same things out again and again.
//!
//! The operations of a suite are pure: the same bytes in give the same bytes out. Asymmetric ones take from tens of
//! microseconds to a tenth of a second. A thread that has called [`memoise`] keeps each of their results, by operation
//! and input, and takes it from there the next time. Symmetric ones cost less than the search, and are never kept. No
//! thread does so by itself, and one that does not pays for one look at a thread-local cell per asymmetric operation.

use core::mem;
use std::cell::RefCell;
use std::collections::BTreeMap;

use super::{Operation, SuiteId};

/// Operation, suite, and the inputs with their lengths: the one that differs most comes first.
type Question = (Operation, &'static str, Vec<u8>);

/// So many bytes of questions and answers are kept in a thread; then it begins anew. It is enough for some 200,000 results of
/// `rsa-1024`, or 30,000 of `ml-dsa-65`.
const MOST_BYTES: usize = 128 << 20;
/// What a result takes besides its bytes: its place in the tree, and what the allocator adds to two buffers.
const ENTRY: usize = mem::size_of::<(Question, Vec<u8>)>() * 3 / 2 + 32;

/// What a thread has kept.
#[derive(Default)]
struct Known {
    results: BTreeMap<Question, Vec<u8>>,
    bytes: usize,
}

impl Known {
    fn keep(&mut self, question: Question, answer: &[u8]) {
        let bytes = ENTRY + question.2.len() + answer.len();
        if self.bytes + bytes > MOST_BYTES {
            *self = Known::default();
        }
        self.bytes += bytes;
        self.results.insert(question, answer.to_vec());
    }
}

thread_local! {
    static KNOWN: RefCell<Option<Known>> = const { RefCell::new(None) };
}

/// From now on this thread keeps results of asymmetric suites (`true`), or forgets them and works each out afresh.
pub fn memoise(keep: bool) {
    KNOWN.with_borrow_mut(|known| match known {
        Some(_) if keep => {}
        _ => *known = keep.then(Known::default),
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
        if let Some(answer) = known.results.get(&question) {
            return out.extend_from_slice(answer);
        }
        let start = out.len();
        work(out);
        known.keep(question, &out[start..]);
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

    #[test]
    fn what_is_kept_is_bounded_in_bytes() {
        let mut known = Known::default();
        let question = |number: u32| (Operation::Check, "ml-dsa-65", number.to_le_bytes().repeat(1 << 18));
        let answer = vec![0; 1 << 20];
        let fit = (MOST_BYTES / ((2 << 20) + ENTRY)) as u32;
        for number in 0..fit {
            known.keep(question(number), &answer);
            assert_eq!(known.results.len(), number as usize + 1);
        }
        known.keep(question(fit), &answer);
        assert_eq!(known.results.len(), 1, "it begins anew");
        assert!(known.results.contains_key(&question(fit)) && known.bytes < 3 << 20);
    }
}
