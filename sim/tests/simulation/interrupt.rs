//! `keystorm interrupt` as a user meets it.

use crate::common::{assert_code, keystorm, names_in, stderr, stdout};

const HEADER: &str = "suite,embodiment,recovery,nvm,layout,cut_step,cut_kind,card_state,server_state,outcome,\
                      connections_to_heal,depth,cut2_step,cut2_kind";

#[test]
fn the_matrix_is_written_shown_and_replaced_and_keeps_off_what_is_not_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let arguments = [
        "interrupt",
        "--embodiment",
        "1",
        "--nvm",
        "undo-log",
        "--layout",
        "packed",
        "--depth",
        "0",
        "--out",
        "m",
    ];
    for _ in 0..2 {
        let output = keystorm(dir.path(), &arguments);
        assert_code(&output, 0);
        assert_eq!(stderr(&output), "");
        assert!(stdout(&output).contains("3 combinations"), "{}", stdout(&output));
        assert!(stdout(&output).contains("first-contact: stranded"), "{}", stdout(&output));
    }
    assert_eq!(names_in(&dir.path().join("m")), ["interruptions.csv", "manifest.json"]);
    let csv = std::fs::read_to_string(dir.path().join("m/interruptions.csv")).unwrap();
    assert_eq!(csv.lines().next(), Some(HEADER));
    std::fs::write(dir.path().join("m/notes"), "mine").unwrap();
    assert_code(&keystorm(dir.path(), &arguments), 2);
    assert_code(&keystorm(dir.path(), &["interrupt", "--recovery", "hope"]), 2);
    let help = keystorm(dir.path(), &["interrupt", "--help"]);
    assert!(stdout(&help).contains("Examples:") && stdout(&help).contains("--single"));
}
