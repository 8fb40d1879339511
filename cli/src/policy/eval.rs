//! `guardian policy eval`.

use std::io;
use std::path::PathBuf;

use clap::Args;
use guardian_core::policy::case::{Reply, Unreadable};
use guardian_core::policy::{Answer, Outcome, Reason};

use super::lines::{self, Printed};
use crate::output::{Exit, Format, Output};

/// Would AWS allow it? JSON Lines in, JSON Lines out.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  guardian policy eval cases.jsonl
  guardian policy eval cases.jsonl --format text
  guardian policy eval < cases.jsonl | jq 'select(.decision != \"Allowed\")'

A case, on one line:
  {\"id\", \"request\": {\"principal\", \"action\", \"resource\", \"resource_account\",
   \"context\": {}}, \"identity_policies\": [], \"permission_boundary\",
   \"session_policy\", \"scps\": [[]], \"rcps\": [[]], \"resource_policy\",
   \"grants\": [], \"management_account\", \"aws_managed_key\",
   \"unknown_context\": []}
`context` is complete: a key that is neither there nor in `unknown_context` is
absent from the request. `scps` and `rcps` hold one list per level, the root of
the organization first; `[]`: none apply. `grants` are as `kms:ListGrants`
gives them.

An answer: {\"id\", \"decision\", \"why\"}; the decision is Allowed,
ImplicitlyDenied, ExplicitlyDenied or Uncertain. A line that holds no case is
answered with {\"line\", \"error\"}, and the next one is read.

Exit codes: 0 every line was read and answered, 2 one could not be read.")]
pub(crate) struct Eval {
    /// File with one case on each line; `-` or nothing reads standard input.
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
}

impl Eval {
    pub(crate) fn run(&self, output: &Output) -> anyhow::Result<Exit> {
        let json = output.json(Format::Json);
        lines::answer_file(&self.file, |number, line| reply(number, line, json))
    }
}

fn reply(number: usize, line: Result<&str, Unreadable>, json: bool) -> io::Result<Printed> {
    let reply = match line {
        Ok(line) => Reply::to(number, line),
        Err(unreadable) => Reply { line: number, id: None, answer: Err(unreadable) },
    };
    let text = if json { serde_json::to_string(&reply)? } else { text(&reply) };
    Ok(Printed { text, held_a_case: reply.answer.is_ok() })
}

/// One answer for people: the decision, and below it what led to it.
fn text(reply: &Reply) -> String {
    let id = lines::name(reply.id.as_ref(), reply.line);
    match &reply.answer {
        Ok(answer) => std::iter::once(format!("{id}: {}", answer.decision.as_str())).chain(reasons(answer)).collect::<Vec<_>>().join("\n"),
        Err(unreadable) => lines::unreadable(reply.id.as_ref(), reply.line, unreadable),
    }
}

fn reasons(answer: &Answer) -> impl Iterator<Item = String> {
    let statement = |reason: &Reason| {
        let effect = if reason.denies { "denies" } else { "allows" };
        let name = reason.to_string().escape_debug().to_string();
        match &reason.outcome {
            Outcome::Matched => Some(format!("{name} {effect}")),
            Outcome::Depends(_) => Some(format!("{name} {effect} perhaps")),
            Outcome::Missed(_) => None,
        }
    };
    let list = |name: &str, items: &[String]| items.iter().map(|item| format!("{name} {}", item.escape_debug())).collect::<Vec<_>>();
    let exempt = answer.exemptions.iter().map(|exempt| (*exempt).to_owned());
    answer
        .reasons
        .iter()
        .filter_map(statement)
        .chain(list("not allowed by", &answer.missing))
        .chain(exempt)
        .chain(list("depends on", &answer.depends_on))
        .chain(list("unreadable:", &answer.problems))
        .map(|reason| format!("  {reason}"))
        .collect::<Vec<_>>()
        .into_iter()
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, BufWriter, Write};

    use super::super::lines::{LONGEST_LINE, answer};
    use super::*;

    fn answers(input: &[u8], json: bool) -> ((usize, usize), String) {
        let mut out = Vec::new();
        let counted = answer(&mut BufReader::new(input), &mut out, |number, line| reply(number, line, json)).unwrap();
        (counted, String::from_utf8(out).unwrap())
    }

    const CASE: &str = r#"{"id":"a\u001b[31m","request":{"principal":"arn:aws:iam::111122223333:role/R","action":"s3:GetObject","resource":"arn:aws:s3:::b/k","resource_account":"111122223333"},"identity_policies":[{"Statement":{"Sid":"S\u0007","Effect":"Allow","Action":"s3:*","Resource":"*"}}]}"#;

    #[test]
    fn every_line_has_its_answer_and_a_line_without_a_case_says_what_is_wrong_with_it() {
        let input = format!("{CASE}\n\n{{\"id\":7}}\nnot json\n[]\n\u{fffd}\n{CASE}");
        let (counted, out) = answers(input.as_bytes(), true);
        assert_eq!(counted, (4, 7));
        let lines = out.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()).collect::<Vec<_>>();
        assert_eq!(lines.len(), 6, "{out}");
        assert_eq!((&lines[0]["decision"], &lines[5]["decision"]), (&"Allowed".into(), &"Allowed".into()));
        assert_eq!((&lines[1]["id"], &lines[1]["line"]), (&7.into(), &3.into()));
        assert_eq!(lines[1]["error"], "`request` is missing or not an object");
        for (answer, line) in [(&lines[2], 4), (&lines[3], 5), (&lines[4], 6)] {
            assert_eq!(answer["line"], line);
            assert!(answer["error"].as_str().unwrap().starts_with("the line is not a JSON object"), "{answer}");
        }
        assert_eq!(answers(CASE.as_bytes(), true).0, (0, 1));
    }

    #[test]
    fn a_line_without_end_is_refused_and_the_next_is_answered() {
        let mut input = vec![b' '; LONGEST_LINE + 5];
        input.extend_from_slice(b"\n");
        input.extend_from_slice(CASE.as_bytes());
        let (counted, out) = answers(&input, true);
        assert_eq!(counted, (1, 2));
        assert_eq!(out.lines().next().unwrap(), r#"{"line":1,"error":"the line is longer than 16777216 bytes"}"#);
        assert!(out.lines().nth(1).unwrap().contains(r#""decision":"Allowed""#), "{out}");
    }

    #[test]
    fn the_text_form_names_the_statement_and_escapes_what_others_wrote() {
        let (_, out) = answers(CASE.as_bytes(), false);
        assert_eq!(out, "a\\u{1b}[31m: Allowed\n  identity[1]#1:S\\u{7} allows\n");
    }

    #[test]
    fn the_text_form_names_a_line_without_a_case_once() {
        let (_, out) = answers(b"{}\n{\"id\":7}", false);
        let wrong = "`request` is missing or not an object";
        assert_eq!(out, format!("line 1: {wrong}\n7 (line 2): {wrong}\n"));
    }

    /// Hands out one line at a time and remembers what was answered before.
    struct Terminal<'a> {
        lines: Vec<&'a [u8]>,
        answered: std::rc::Rc<std::cell::RefCell<Vec<u8>>>,
        seen: Vec<usize>,
    }

    impl io::Read for Terminal<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.seen.push(self.answered.borrow().iter().filter(|byte| **byte == b'\n').count());
            let Some(line) = self.lines.pop() else { return Ok(0) };
            buffer[..line.len()].copy_from_slice(line);
            Ok(line.len())
        }
    }

    struct Shared(std::rc::Rc<std::cell::RefCell<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_answered_before_the_next_is_waited_for() {
        let line = format!("{CASE}\n");
        let answered = std::rc::Rc::default();
        let mut terminal =
            BufReader::new(Terminal { lines: vec![line.as_bytes(); 3], answered: std::rc::Rc::clone(&answered), seen: Vec::new() });
        answer(&mut terminal, &mut BufWriter::new(Shared(answered)), |number, line| reply(number, line, true)).unwrap();
        assert_eq!(terminal.get_ref().seen, [0, 1, 2, 3]);
    }
}
