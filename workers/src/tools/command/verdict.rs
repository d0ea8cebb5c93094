//! What a program's end means for its job.
//!
//! | end | outcome |
//! |---|---|
//! | exit code 0 | done, if stdout is what the manifest promises |
//! | exit code 64, 65, 66, 77, 78 | failed for good: usage, data, input, permission, configuration (`sysexits.h`) |
//! | exit code 126, 127 | failed for good: a shell could not execute or find a program |
//! | any other exit code, among them 75 (`EX_TEMPFAIL`) | failed, tried again after a backoff |
//! | a signal | failed as one that crashed, tried again after a backoff |
//! | not 0 after SIGTERM, as its time was up | failed by timeout, tried again after a backoff |
//! | more on stdout than allowed, or not what was promised | failed for good |

use std::path::Path;
use std::process::ExitStatus;

use gantz_core::manifest::CommandOutput;
use gantz_core::outcome::{ErrorKind, Failure, Outcome};
use serde_json::Value;

use super::super::document;
use super::running::{End, Ended};

/// Maps a program's end to an outcome; after an exit code in `permanent` there is no other attempt.
pub(super) fn judge(program: &Path, output: CommandOutput, permanent: &[i32], ended: Ended) -> Outcome {
    let name = program.display();
    let (status, stdout) = match ended.end {
        End::Exit(status, stdout) => (status, stdout),
        End::TooMuch(max_bytes) => {
            let message =
                format!("`{name}` was killed: it wrote more than `max_output_bytes` ({max_bytes}) to stdout");
            return Outcome::permanent(ErrorKind::ResultTooLarge, message);
        }
        End::Unknown(error) => {
            return doubtful(format!("failed to wait for `{name}`: {error}"));
        }
    };
    if status.success() {
        return match read_output(output, stdout) {
            Ok(result) => Outcome::Done(result),
            Err(why) => {
                let message = with_stderr(format!("`{name}` wrote to stdout {why}"), &ended.stderr);
                Outcome::permanent(ErrorKind::ToolError, message)
            }
        };
    }
    let message = match ended.asked_to_stop_after_ms {
        Some(ms) => format!("`{name}` was asked to stop after {ms} ms, and ended with {}", describe(status)),
        None => format!("`{name}` ended with {}", describe(status)),
    };
    let message = with_stderr(message, &ended.stderr);
    match status.code() {
        _ if ended.asked_to_stop_after_ms.is_some() => Outcome::transient(ErrorKind::Timeout, message),
        Some(code) if permanent.contains(&code) => Outcome::permanent(ErrorKind::ExitStatus, message),
        Some(_) => Outcome::transient(ErrorKind::ExitStatus, message),
        None => doubtful(message),
    }
}

/// Cut off in the middle of what it did: another attempt may mend it, if its effect allows one.
fn doubtful(message: String) -> Outcome {
    Outcome::Failed(Failure::transient(ErrorKind::ExitStatus, message).in_doubt())
}

fn with_stderr(message: String, stderr: &str) -> String {
    if stderr.is_empty() { message } else { format!("{message}: {stderr}") }
}

/// `exit code 3` or `signal: 9 (SIGKILL)`.
fn describe(status: ExitStatus) -> String {
    status.code().map_or_else(|| status.to_string(), |code| format!("exit code {code}"))
}

fn read_output(output: CommandOutput, stdout: Vec<u8>) -> Result<Value, String> {
    match output {
        CommandOutput::Json => match document::read(&stdout) {
            Ok(value) => Ok(value),
            Err(_) if stdout.trim_ascii().is_empty() => Err("nothing, expected one JSON document".to_owned()),
            Err(error) => {
                let hint = match std::str::from_utf8(&stdout) {
                    Ok(_) => "; with `output: text` any text is a result",
                    Err(_) => "",
                };
                Err(format!("what is not one JSON document: {error}{hint}"))
            }
        },
        CommandOutput::Text => match String::from_utf8(stdout) {
            Ok(text) => Ok(Value::String(without_last_line_end(text))),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                Err(format!("what is not text: no UTF-8 at byte {at}"))
            }
        },
    }
}

/// Programs end their last line; that end is no part of what they say.
fn without_last_line_end(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use gantz_core::outcome::Retry;
    use serde_json::json;

    use super::*;

    fn judge_status(raw_status: i32, asked_to_stop_after_ms: Option<u64>) -> Failure {
        let end = End::Exit(ExitStatus::from_raw(raw_status), b"{}".to_vec());
        let ended = Ended { end, stderr: "no luck".to_owned(), asked_to_stop_after_ms };
        match judge(Path::new("prog"), CommandOutput::Json, &[65, 127], ended) {
            Outcome::Failed(failure) => failure,
            outcome => panic!("{raw_status}: {outcome:?}"),
        }
    }

    #[test]
    fn exit_codes_decide_on_retries() {
        for code in 1..=255 {
            let failure = judge_status(code << 8, None);
            let permanent = matches!(code, 65 | 127);
            assert_eq!(failure.retry, if permanent { Retry::Never } else { Retry::Backoff }, "{code}");
            assert_eq!(failure.kind, ErrorKind::ExitStatus);
            assert_eq!(failure.message, format!("`prog` ended with exit code {code}: no luck"));
        }
    }

    #[test]
    fn signals_are_transient() {
        let failure = judge_status(9, None);
        assert_eq!((failure.kind, failure.retry), (ErrorKind::ExitStatus, Retry::Backoff));
        assert_eq!(failure.message, "`prog` ended with signal: 9 (SIGKILL): no luck");
    }

    #[test]
    fn a_program_that_had_to_be_stopped_timed_out() {
        for raw_status in [15, 1 << 8, 64 << 8] {
            let failure = judge_status(raw_status, Some(900));
            assert_eq!((failure.kind, failure.retry), (ErrorKind::Timeout, Retry::Backoff));
            assert!(failure.message.starts_with("`prog` was asked to stop after 900 ms, and ended with "));
        }
    }

    #[test]
    fn what_a_program_says_of_a_bad_result_is_kept() {
        let end = End::Exit(ExitStatus::from_raw(0), b"done".to_vec());
        let ended = Ended { end, stderr: "deprecated".to_owned(), asked_to_stop_after_ms: None };
        let Outcome::Failed(failure) = judge(Path::new("prog"), CommandOutput::Json, &[65, 127], ended)
        else {
            panic!()
        };
        assert_eq!(failure.kind, ErrorKind::ToolError);
        assert!(failure.message.ends_with("; with `output: text` any text is a result: deprecated"));
    }

    #[test]
    fn reads_output() {
        let check = |output, stdout: &[u8], expect: Result<Value, &str>| {
            assert_eq!(read_output(output, stdout.to_vec()), expect.map_err(str::to_owned));
        };
        check(CommandOutput::Json, b"{\"a\": 1}\n", Ok(json!({"a": 1})));
        check(CommandOutput::Json, b" \n", Err("nothing, expected one JSON document"));
        check(
            CommandOutput::Json,
            b"{}\nok\n",
            Err(
                "what is not one JSON document: trailing characters at line 2 column 1; with `output: text` any \
                 text is a result",
            ),
        );
        check(
            CommandOutput::Json,
            b"\xff",
            Err("what is not one JSON document: expected value at line 1 column 1"),
        );
        check(CommandOutput::Text, b"a\nb\r\n", Ok(json!("a\nb")));
        check(CommandOutput::Text, b"a\n\n", Ok(json!("a\n")));
        check(CommandOutput::Text, b"", Ok(json!("")));
        check(CommandOutput::Text, b"a\xff", Err("what is not text: no UTF-8 at byte 1"));
    }
}
