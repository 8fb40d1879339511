//! The picture of the topology as text and as a drawing that stands alone, and what `topology verify` leaves out of a sweep. In the page it is tested
//! in a browser (`tests/reports`).

use guardian_core::compliance::Status;
use guardian_core::report::Look;
use guardian_core::report::sweep::{Overview, topology_json, topology_svg, topology_text};
use guardian_core::topology::OfTopology;

use crate::sweeps::{self, Sweep};

fn overview(sweep: &Sweep) -> Overview {
    let mut overview = Overview::gather();
    sweep.tell(&mut overview).unwrap();
    overview.into_inner()
}

#[test]
fn the_text_draws_every_state_and_says_what_it_means() {
    let text = topology_text(&overview(&sweeps::stopped()), Look::PLAIN);
    assert!(!text.contains('\u{1b}'));
    insta::assert_snapshot!("topology-text", text);
    let coloured = topology_text(&overview(&sweeps::stopped()), Look::for_terminal(true, 80));
    assert!(coloured.contains("\u{1b}[1;31m----[X]---->\u{1b}[0m") && coloured.contains("\u{1b}[1;32m----------->"), "{coloured}");
    let nothing = topology_text(&overview(&sweeps::empty()), Look::PLAIN);
    assert!(nothing.contains("No rule that was seen asks for a copy."), "{nothing}");
}

#[test]
fn the_drawing_marks_the_same_ways_and_needs_nothing_else() {
    let svg = topology_svg(&overview(&sweeps::stopped()));
    assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\"") && svg.ends_with("</svg>\n"));
    for state in ["broken", "stopped", "well"] {
        assert!(svg.contains(&format!("<path class=\"edge {state}\"")), "{state}");
    }
    // Two ways are broken and one will be stopped; each mark is once more in the legend.
    assert_eq!((svg.matches("<circle").count(), svg.matches("<rect x=\"22\"").count()), (3, 1));
    for outside in ["var(", "url(", "@import", "href", "<script", "<image", "http://", "https://"] {
        assert_eq!(svg.matches(outside).count(), usize::from(outside == "http://"), "{outside}");
    }
    let none = topology_svg(&overview(&sweeps::empty()));
    assert!(none.contains("</svg>") && !none.contains("class=\"edge"));
}

#[test]
fn no_hostile_name_is_alive_in_a_drawing() {
    let overview = overview(&sweeps::hostile());
    let (svg, text, json) = (topology_svg(&overview), topology_text(&overview, Look::PLAIN), topology_json(&overview).to_string());
    for alive in ["\u{1b}", "\\u001b", "\u{202e}", "\u{200b}", "<!channel>", "https://evil"] {
        assert!(!svg.contains(alive) && !text.contains(alive) && !json.contains(alive), "{alive:?}");
    }
    for alive in ["<script", "<img", "<h1>", "</style></svg>", "onmouseover='"] {
        assert!(!svg.contains(alive), "{alive}");
    }
    assert!(svg.contains("&lt;script&gt;"), "it is shown");
    assert_eq!(svg.matches("<svg").count(), 1);
}

#[test]
fn the_machine_form_tells_each_way_with_its_state() {
    let value = topology_json(&overview(&sweeps::stopped()));
    let state = |account: &str| {
        let routes = value["routes"].as_array().unwrap();
        routes.iter().find(|route| route["source_account"] == account).map(|route| route["state"].as_str().unwrap().to_owned())
    };
    assert_eq!(
        [state("111111111111"), state("222222222222"), state("444444444444")],
        ["broken", "to-be-stopped", "well"].map(|one| Some(one.to_owned()))
    );
    let summary = value["summary"].as_object().unwrap();
    assert_eq!((&summary["broken"], &summary["to-be-stopped"]), (&2.into(), &1.into()));
    assert_eq!(value["not_evaluated"][0]["account_id"], "555555555555");
}

#[test]
fn what_was_backed_up_is_no_matter_of_the_topology() {
    let mut of_topology = OfTopology::before(Overview::gather());
    let mut sweep = sweeps::demo();
    let account = &mut sweep.accounts[0];
    let mut landed = account.outcomes[1].clone();
    assert_eq!(landed.outcome.status, Status::Fail);
    (landed.code, landed.check) = ("BKC-065".to_owned(), "copies-landed".to_owned());
    account.outcomes.push(landed);
    sweep.tell(&mut of_topology).unwrap();
    let (whole, topology) = (overview(&sweep), of_topology.into_inner().into_inner());
    assert!(topology.totals.resources.is_empty() && topology.resources.is_empty());
    let failed = |overview: &Overview| overview.totals.outcomes.get(&Status::Fail).copied().unwrap_or_default();
    assert_eq!((failed(&topology), topology.findings.total()), (1, 1));
    assert_eq!(whole.findings.total(), 2);
    assert!(topology.findings.iter().all(|finding| finding.found.check != "copies-landed"));
    assert_eq!(topology.not_evaluated.total(), whole.not_evaluated.total(), "what was not read is told");
}
