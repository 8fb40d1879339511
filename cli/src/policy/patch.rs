//! `guardian policy patch`.

use std::io;
use std::path::PathBuf;

use clap::Args;
use guardian_core::policy::case::Unreadable;
use guardian_core::remedy::{CaseChange, PatchReply};

use super::lines::{self, Printed};
use crate::output::{Exit, Format, Output};

/// What is the smallest statement that allows it? JSON Lines in, JSON Lines out.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  guardian policy patch cases.jsonl
  guardian policy patch cases.jsonl --format text
  guardian policy patch < cases.jsonl | jq '.patch.statements'

A case is one as for `guardian policy eval`.

An answer: {\"id\", \"patch\", \"proof\"}, or {\"id\", \"reason\", \"instead\"?} where
nothing is denied or no patch can work. A line that holds no case is answered
with {\"line\", \"error\"}, and the next one is read.

A patch: {\"layer\", \"target_arn\", \"account_id\", \"operation\"?, \"statements\",
\"document\", \"also\"?}. The layer is resource or identity; `document` is the
resource policy with the statements, or a policy for the caller to have
besides; `also` lists what the other account must change as well.

Exit codes: 0 every line was read and answered, 2 one could not be read.")]
pub(crate) struct Patch {
    /// File with one case on each line; `-` or nothing reads standard input.
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
}

impl Patch {
    pub(crate) fn run(&self, output: &Output) -> anyhow::Result<Exit> {
        let json = output.json(Format::Json);
        lines::answer_file(&self.file, |number, line| reply(number, line, json))
    }
}

fn reply(number: usize, line: Result<&str, Unreadable>, json: bool) -> io::Result<Printed> {
    let reply = match line {
        Ok(line) => PatchReply::to(number, line),
        Err(unreadable) => PatchReply { line: number, id: None, answer: Err(unreadable) },
    };
    let text = if json { serde_json::to_string(&reply)? } else { text(&reply) };
    Ok(Printed { text, held_a_case: reply.answer.is_ok() })
}

/// One answer for people: whose policy, and below it the statements to paste.
fn text(reply: &PatchReply) -> String {
    let id = lines::name(reply.id.as_ref(), reply.line);
    match &reply.answer {
        Ok(Ok(found)) => {
            let changes = [&found.patch].into_iter().chain(&found.patch.also).map(change);
            format!("{id}: {}", changes.collect::<Vec<_>>().join("\n"))
        }
        Ok(Err(no_patch)) => {
            let instead = no_patch.instead().map(|instead| format!("\n  {instead}")).unwrap_or_default();
            format!("{id}: {}{instead}", no_patch.reason())
        }
        Err(unreadable) => lines::unreadable(reply.id.as_ref(), reply.line, unreadable),
    }
}

fn change(change: &CaseChange) -> String {
    let statements = change.statements.iter().map(|statement| format!("\n  {statement}")).collect::<String>();
    let (account, target) = (change.account_id.escape_debug(), change.target_arn.escape_debug());
    format!("{} policy of {target}, in account {account}, add:{statements}", change.layer)
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::super::lines::answer;
    use super::*;

    const DENIED: &str = r#"{"id":"a\u001b[31m","request":{"principal":"arn:aws:iam::111122223333:role/R","action":"s3:GetObject","resource":"arn:aws:s3:::b/k","resource_account":"111122223333"}}"#;

    fn answers(input: &str, json: bool) -> ((usize, usize), String) {
        let mut out = Vec::new();
        let counted = answer(&mut BufReader::new(input.as_bytes()), &mut out, |number, line| reply(number, line, json)).unwrap();
        (counted, String::from_utf8(out).unwrap())
    }

    #[test]
    fn every_line_has_its_answer_and_no_patch_is_an_answer() {
        let blocked = DENIED.replace(r#""request""#, r#""scps":[[]],"request""#);
        let (counted, out) = answers(&format!("{DENIED}\n\n{blocked}\nnot json\n"), true);
        assert_eq!(counted, (1, 4));
        let lines = out.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()).collect::<Vec<_>>();
        assert_eq!(lines.len(), 3, "{out}");
        assert_eq!(lines[0]["patch"]["statements"][0]["Action"], serde_json::json!(["s3:GetObject"]));
        assert_eq!(lines[0]["proof"]["minimal"], true);
        assert!(lines[1]["reason"].as_str().unwrap().contains("SCP level 1 of 1"), "{out}");
        assert_eq!(lines[2]["line"], 4);
        assert_eq!(answers(&blocked, true).0, (0, 1));
    }

    #[test]
    fn the_text_form_is_ready_to_paste_and_escapes_what_others_wrote() {
        let (_, out) = answers(DENIED, false);
        let expected = r#"a\u{1b}[31m: identity policy of arn:aws:iam::111122223333:role/R, in account 111122223333, add:
  {"Sid":"AllowWhatWasDenied","Effect":"Allow","Action":["s3:GetObject"],"Resource":"arn:aws:s3:::b/k"}
"#;
        assert_eq!(out, expected);
    }
}
