//! The page of a rule or a check on a terminal: the manual part wrapped to the width, the cases by their titles.
//!
//! The pages are written by us, so nothing in them is untrusted. Of Markdown they use headings, paragraphs and lists.

use super::outline::Line;
use super::terminal::Look;
use super::{layout, words};
use crate::compliance;
use crate::diagnosis::Meta;

/// The page of a rule.
pub fn page(meta: &Meta, look: Look) -> String {
    let causes = meta.causes.iter().map(|cause| cause.label()).collect::<Vec<_>>().join(", ");
    let needs = if meta.needs.is_empty() { "the event alone".to_owned() } else { meta.needs.join(", ") };
    let mut fields = vec![Line::Field("rule", meta.name.to_owned())];
    if causes != meta.name {
        fields.push(Line::Field("causes", causes));
    }
    fields.push(Line::Field("severity", meta.severity.as_str().to_owned()));
    fields.push(Line::Field("remedy", words::grade(meta.remedy).to_owned()));
    fields.push(Line::Field("evidence", needs));
    with_references(lay_out(meta.page, Some(meta.code), fields, look), meta.references, look)
}

/// The page of a check.
pub fn check_page(meta: &compliance::Meta, look: Look) -> String {
    let fields = vec![
        Line::Field("check", meta.name.to_owned()),
        Line::Field("severity", meta.severity.as_str().to_owned()),
        Line::Field("remedy", words::grade(meta.remedy).to_owned()),
        Line::Field("evidence", meta.needs.join(", ")),
    ];
    with_references(lay_out(meta.page, Some(meta.code), fields, look), meta.references, look)
}

fn with_references(mut out: Vec<String>, links: &[&str], look: Look) -> String {
    let references = links.iter().map(|link| Line::Bullet((*link).to_owned())).collect::<Vec<_>>();
    if !references.is_empty() {
        out.push(String::new());
        out.push(look.bold("Read on"));
        out.extend(layout::lines(&references, look.columns));
    }
    out.join("\n") + "\n"
}

/// A page that belongs to no rule.
pub fn prose(markdown: &str, look: Look) -> String {
    lay_out(markdown, None, Vec::new(), look).join("\n") + "\n"
}

fn lay_out(markdown: &str, code: Option<&str>, fields: Vec<Line>, look: Look) -> Vec<String> {
    let mut out = Vec::new();
    let mut sections = markdown.split("\n## ");
    let title = sections.next().unwrap_or_default().trim_start_matches("# ").trim();
    let first = code.map(|code| format!("{code}  ")).unwrap_or_default();
    out.extend(layout::wrap(&first, "    ", title, look.columns).iter().map(|line| look.bold(line)));
    if !fields.is_empty() {
        out.push(String::new());
        out.extend(layout::lines(&fields, look.columns));
    }
    for section in sections {
        let (heading, body) = section.split_once('\n').unwrap_or((section, ""));
        out.push(String::new());
        out.push(look.bold(heading));
        let blocks = if heading == "Cases" { cases(body) } else { blocks(body) };
        for (number, block) in blocks.iter().enumerate() {
            if number > 0 {
                out.push(String::new());
            }
            out.extend(layout::lines(block, look.columns));
        }
    }
    out
}

/// Paragraphs and lists, apart by empty lines as in the page.
fn blocks(body: &str) -> Vec<Vec<Line>> {
    let block = |text: &str| {
        let mut lines: Vec<Line> = Vec::new();
        let text = without_marks(text);
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            match (line.strip_prefix("- "), lines.last_mut()) {
                (Some(item), _) => lines.push(Line::Bullet(item.to_owned())),
                (None, Some(Line::Text(before) | Line::Bullet(before))) => {
                    before.push(' ');
                    before.push_str(line);
                }
                (None, _) => lines.push(Line::Text(line.to_owned())),
            }
        }
        lines
    };
    body.split("\n\n").map(block).filter(|lines| !lines.is_empty()).collect()
}

/// Without the marks of bold text, and links as `text (address)`.
fn without_marks(text: &str) -> String {
    text.replace("**", "").replace("](", " (").replace(" [", " ")
}

/// The titles of the cases: what is told apart, without the evidence.
fn cases(body: &str) -> Vec<Vec<Line>> {
    let titles = body.lines().filter_map(|line| line.strip_prefix("### ")).map(|title| Line::Bullet(title.to_owned()));
    vec![titles.collect()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::rules::ALL;

    #[test]
    fn every_page_keeps_its_words_and_loses_only_the_marks_and_the_evidence_of_its_cases() {
        for rule in ALL {
            let shown = page(&rule.meta, Look::PLAIN);
            let words =
                |text: &str| without_marks(text).split_whitespace().filter(|word| *word != "-").map(str::to_owned).collect::<Vec<_>>();
            let (manual, cases) = rule.meta.page.split_once("\n## Cases\n").unwrap();
            for section in manual.split("\n## ").skip(1) {
                let shown = words(&shown);
                let section = words(section);
                assert!(shown.windows(section.len()).any(|window| window == section), "{}: {section:?}", rule.meta.code);
            }
            for title in cases.lines().filter_map(|line| line.strip_prefix("### ")) {
                assert!(words(&shown).windows(words(title).len()).any(|window| window == words(title)), "{title}");
            }
            for address in manual.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                assert!(shown.contains(address), "{address} is in one piece");
            }
            assert!(!shown.contains("```") && !shown.contains("##"), "{}", rule.meta.code);
        }
    }

    #[test]
    fn the_page_of_a_check_keeps_its_manual_and_leaves_the_inventories_out() {
        for check in compliance::checks::ALL {
            let shown = check_page(&check.meta, Look::PLAIN);
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            let (manual, _) = check.meta.page.split_once("\n## Cases\n").unwrap();
            for section in manual.split("\n## ").skip(1) {
                let section = words(section);
                assert!(words(&shown).windows(section.len()).any(|window| window == section), "{}: {section:?}", check.meta.code);
            }
            assert!(!shown.contains("```") && shown.contains(check.meta.name) && shown.contains(check.meta.code), "{shown}");
        }
    }

    #[test]
    fn a_narrow_terminal_gets_narrow_prose() {
        let narrow = Look { color: false, columns: 40 };
        let pages = ALL.iter().map(|rule| page(&rule.meta, narrow));
        for page in pages.chain(compliance::checks::ALL.iter().map(|check| check_page(&check.meta, narrow))) {
            for line in page.lines() {
                assert!(line.chars().count() <= 40 || line.split_whitespace().count() <= 2, "{line}");
            }
        }
    }
}
