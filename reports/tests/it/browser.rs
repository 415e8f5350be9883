//! The pages in a real browser, where Chromium is installed: nothing overflows on a phone, and the console stays empty.

use std::fs;
use std::path::Path;
use std::process::Command;

use keystorm_reports::html::{REPORT_FILE, write_campaign_page};

use crate::html::{plan, run, sweep};
use crate::sample::{manifest, results};

/// Says in the title how wide the page is, which elements are wider than the window without scrolling in themselves, and which
/// columns with a verdict must be scrolled to.
const MEASURE: &str = "<script>addEventListener('load', () => {
  const room = document.documentElement.clientWidth;
  const scrolls = (e) => e && (getComputedStyle(e).overflowX === 'auto' || scrolls(e.parentElement));
  document.querySelectorAll('details').forEach((e) => { e.open = true; });
  const wide = [...document.querySelectorAll('body *')]
    .filter((e) => e.getBoundingClientRect().right > room + 1 && !scrolls(e)).map((e) => e.tagName);
  const far = [...document.querySelectorAll('th')]
    .filter((e) => /verdict|keeps_all/.test(e.textContent) && e.getBoundingClientRect().right > room).map((e) => e.textContent);
  document.title = `room ${room} page ${document.documentElement.scrollWidth} wide [${wide}] far [${far}]`;
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

/// Opens a page as it is, and then in a frame as wide as a phone and in one as wide as a desk's screen, where a script measures
/// it.
fn check(name: &str, page: &str) {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("page.html");
    fs::write(&path, page).unwrap();
    let Some((_, log)) = browse(scratch.path(), &path) else { return };
    assert!(!log.contains(":CONSOLE"), "{name}: {log}");

    let measured =
        page.replace("</body>", MEASURE).replace("default-src 'none'", "script-src 'unsafe-inline'");
    assert_ne!(measured, page);
    fs::write(scratch.path().join("measured.html"), measured).unwrap();
    for (width, seen) in [(390, "wide []"), (1280, "wide [] far []")] {
        let frame = format!(
            "<iframe id=f width={width} height=800 src=measured.html></iframe><p id=said></p><script>
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
        assert!(said.starts_with(&expected), "{name}: {said}, not {expected}: {log}");
    }
}

#[test]
fn the_page_of_a_run_fits_a_phone() {
    let scratch = tempfile::tempdir().unwrap();
    let mut results = results();
    results.failures[0].step =
        "a-step-with-a-very-long-name-that-no-line-of-a-phone-can-hold-without-breaking-it";
    let dir = run(&scratch, "run", &results, &manifest());
    check("run", &fs::read_to_string(dir.join(REPORT_FILE)).unwrap());
}

#[test]
fn the_page_of_a_sweep_fits_a_phone() {
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
    assert!(page.contains("slo2_verdict"), "{page}");
    check("plan", &page);
}
