//! `keystorm suites`.

use keystorm_model::suite::{Backend, Family, Operation, SuiteId};

use super::{Failure, print};

pub(super) fn suites() -> Result<(), Failure> {
    print(&text())
}

/// Every suite with its lengths, and who can carry out each of its operations, the default first.
fn text() -> String {
    let mut rows = vec![
        ["suite", "family", "private", "public", "challenge", "Rk", "proof", "prove", "check", "generate"]
            .map(str::to_owned),
    ];
    rows.extend(SuiteId::ALL.map(|suite| {
        let sizes = suite.sizes();
        let family = match suite.family() {
            Family::Symmetric => "symmetric",
            Family::Asymmetric => "asymmetric",
        };
        let [prove, check, generate] = Operation::ALL.map(|operation| {
            let able = suite.backends(operation);
            let names: Vec<&str> = able.iter().map(|backend| backend.name()).collect();
            if names.is_empty() { "-".to_owned() } else { names.join(", ") }
        });
        let bytes = [sizes.private, sizes.public, sizes.challenge, sizes.renewal_random, sizes.proof];
        let [private, public, challenge, rk, proof] = bytes.map(|bytes| bytes.to_string());
        let (name, family) = (suite.name().to_owned(), family.to_owned());
        [name, family, private, public, challenge, rk, proof, prove, check, generate]
    }));
    let mut text = aligned(&rows, 2..7);
    text.push_str(
        "\nLengths in bytes. Of several backends the first is what server.backend = \"auto\" takes; a dash: no work. A backend\n\
         that signs with random numbers of its own is listed for `check` only.\n",
    );
    let missing =
        Backend::ALL.into_iter().filter_map(|backend| Some((backend.name(), backend.missing_feature()?)));
    for (backend, feature) in missing {
        text.push_str(&format!("Without {backend}: keystorm was built without the {feature} feature.\n"));
    }
    text
}

/// Rows in columns as wide as they must be, two spaces between them; those in `numbers` to the right.
pub(super) fn aligned<const N: usize>(rows: &[[String; N]], numbers: core::ops::Range<usize>) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = core::array::from_fn(width);
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
            if numbers.contains(&column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_has_its_row() {
        let text = text();
        for suite in SuiteId::ALL {
            let row = text.lines().find(|line| line.split_whitespace().next() == Some(suite.name()));
            let row = row.unwrap_or_else(|| panic!("{} is missing", suite.name()));
            assert!(row.contains(&format!(" {} ", suite.sizes().proof)));
            for backend in suite.backends(Operation::Check) {
                assert!(row.contains(backend.name()));
            }
        }
        assert!(
            text.contains("3des          symmetric        24      24          8  24      8  rustcrypto"),
            "{text}"
        );
        assert_eq!(text.contains("built without the openssl feature"), !cfg!(feature = "openssl"));
    }
}
