//! The pages in a real browser, where Chromium is installed: nothing overflows on a phone, a desk's screen or paper, and the
//! console stays empty.

use std::fs;
use std::path::Path;
use std::process::Command;

use keystorm_reports::html::{REPORT_FILE, write_campaign_page};

use crate::html::{plan, run, sweep};
use crate::sample::{manifest, results};

/// Says in the title how wide the page is, which elements are wider than the window without scrolling in themselves, which
/// columns with a verdict must be scrolled to, and which elements scroll.
const MEASURE: &str = "<script>addEventListener('load', () => {
  const room = document.documentElement.clientWidth;
  const scrolls = (e) => e && (getComputedStyle(e).overflowX === 'auto' || scrolls(e.parentElement));
  document.querySelectorAll('details').forEach((e) => { e.open = true; });
  const wide = [...document.querySelectorAll('body *')]
    .filter((e) => e.getBoundingClientRect().right > room + 1 && !scrolls(e)).map((e) => e.tagName);
  const far = [...document.querySelectorAll('th')]
    .filter((e) => /verdict|keeps_all/.test(e.textContent) && e.getBoundingClientRect().right > room).map((e) => e.textContent);
  const rolls = [...document.querySelectorAll('body *')]
    .filter((e) => scrolls(e) && e.scrollWidth > e.clientWidth).map((e) => e.tagName);
  document.title = `room ${room} page ${document.documentElement.scrollWidth} wide [${wide}] far [${far}] scrolls [${rolls}]`;
});</script></body>";

/// Standard output and standard error of a browser that opens `page`; `None`: there is no browser.
fn browse(scratch: &Path, page: &Path) -> Option<(String, String)> {
    let profile = scratch.join("profile");
    let _ = fs::remove_dir_all(&profile);
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--enable-logging=stderr", "--allow-file-access-from-files", "--virtual-time-budget=5000"])
        .args(["--dump-dom", "--hide-scrollbars", "--window-size=1280,900"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("file://{}", page.display()))
        .output();
    match output {
        Err(_) => {
            println!("skipped: chromium is not installed");
            None
        }
        Ok(output) => {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let (out, err) = (text(&output.stdout), text(&output.stderr));
            assert!(out.contains("</html>"), "chromium did not open {}: {err}", page.display());
            Some((out, err))
        }
    }
}

/// What A4 has between margins of one centimetre, CSS pixels.
const PAPER: u32 = 718;

/// Opens a page as it is, and then in frames as wide as a phone, a desk's screen and, with the rules for print, a sheet of paper,
/// where a script measures it. Nobody can scroll on paper, so that whatever is wider counts there.
fn check(name: &str, page: &str) {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("page.html");
    fs::write(&path, page).unwrap();
    let Some((_, log)) = browse(scratch.path(), &path) else { return };
    assert!(!log.contains(":CONSOLE"), "{name}: {log}");

    let measured =
        page.replace("</body>", MEASURE).replace("default-src 'none'", "script-src 'unsafe-inline'");
    assert_ne!(measured, page);
    let printed = measured.replace("@media print", "@media all");
    assert_ne!(printed, measured, "{name} has rules for print");
    fs::write(scratch.path().join("screen.html"), measured).unwrap();
    fs::write(scratch.path().join("paper.html"), printed).unwrap();
    let frames = [
        ("screen", 390, "wide []"),
        ("screen", 1280, "wide [] far []"),
        ("paper", PAPER, "wide [] far [] scrolls []"),
    ];
    for (medium, width, seen) in frames {
        let frame = format!(
            "<iframe id=f width={width} height=800 src={medium}.html></iframe><p id=said></p><script>
        addEventListener('load', () => setTimeout(() => {{
          document.getElementById('said').textContent = document.getElementById('f').contentDocument.title;
        }}, 500));</script>"
        );
        let framed = scratch.path().join("frame.html");
        fs::write(&framed, frame).unwrap();
        let (dom, log) = browse(scratch.path(), &framed).expect("it was there a moment ago");
        let said =
            dom.split("<p id=\"said\">").nth(1).and_then(|rest| rest.split('<').next()).unwrap_or_default();
        let expected = format!("room {width} page {width} {seen}");
        assert!(said.starts_with(&expected), "{name} on {medium}: {said}, not {expected}: {log}");
    }
}

#[test]
fn the_page_of_a_run_fits_a_phone_and_paper() {
    let scratch = tempfile::tempdir().unwrap();
    let mut results = results();
    results.failures[0].step =
        "a-step-with-a-very-long-name-that-no-line-of-a-phone-can-hold-without-breaking-it";
    let dir = run(&scratch, "run", &results, &manifest());
    check("run", &fs::read_to_string(dir.join(REPORT_FILE)).unwrap());
}

#[test]
fn the_page_of_a_sweep_fits_a_phone_and_paper() {
    let scratch = tempfile::tempdir().unwrap();
    let place = write_campaign_page(&sweep(&scratch.path().join("sweep"), 50_000)).unwrap();
    check("sweep", &fs::read_to_string(place).unwrap());
}

/// On a desk's screen the verdicts are seen without scrolling, whatever else a plan has to say.
#[test]
fn the_page_of_a_plan_fits_and_shows_its_verdicts() {
    let scratch = tempfile::tempdir().unwrap();
    let place = write_campaign_page(&plan(&scratch.path().join("plan"))).unwrap();
    let page = fs::read_to_string(place).unwrap();
    assert!(page.contains("slo2_<wbr>verdict"), "{page}");
    check("plan", &page);
}
