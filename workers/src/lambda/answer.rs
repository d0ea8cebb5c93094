//! The shapes of answers, byte for byte.

use aws_lambda_events::sqs::SqsBatchResponse;
use serde::Serialize;
use serde_json::{Value, json};

/// An answer to an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Response {
    /// To a batch: which records come back. None listed means that all are deleted.
    Batch(SqsBatchResponse),
    /// To a direct invoke or an HTTP request.
    Invoke(Answer),
}

impl Response {
    pub(super) fn batch(failed: Vec<String>) -> Self {
        let mut response = SqsBatchResponse::default();
        response.set_failures(failed);
        Self::Batch(response)
    }
}

/// What a direct invoke came to. To HTTP, with headers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    status_code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Headers>,
    body: String,
}

/// The headers of an answer to HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Headers {
    content_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    gantz_job_id: Option<String>,
}

/// How a direct invoke ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct End {
    pub(super) status: u16,
    pub(super) body: Value,
    pub(super) job_id: Option<String>,
}

/// What Lambda lets a synchronous invoke answer, less room for the frame around the body.
const ANSWER_MAX_BYTES: usize = 6 * 1024 * 1024 - 1024;

impl End {
    pub(super) fn error(status: u16, message: impl Into<String>) -> Self {
        Self { status, body: json!({ "error": message.into() }), job_id: None }
    }

    pub(super) fn into_answer(self) -> Answer {
        let end = self.cut();
        Answer { status_code: end.status, headers: None, body: end.body.to_string() }
    }

    pub(super) fn into_http_answer(self) -> Answer {
        let end = self.cut();
        let headers = Headers { content_type: "application/json", gantz_job_id: end.job_id };
        Answer { status_code: end.status, headers: Some(headers), body: end.body.to_string() }
    }

    /// A body that Lambda would refuse gives way to an error that says so. It travels as a string within JSON, where a
    /// quote takes two bytes.
    fn cut(self) -> Self {
        let text = self.body.to_string();
        let bytes = text.len() + text.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count();
        if bytes <= ANSWER_MAX_BYTES {
            return self;
        }
        let message = format!(
            "the result takes {bytes} bytes in an answer, at most {ANSWER_MAX_BYTES} fit; submit the job and fetch its result"
        );
        Self { job_id: self.job_id, ..Self::error(500, message) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantz_testkit::fault_table::{Level, fault};

    fn bytes(answer: &impl Serialize) -> String {
        serde_json::to_string(answer).unwrap()
    }

    #[test]
    fn a_batch_that_went_well_lists_nothing() {
        let answer = Response::batch(vec![]);
        assert_eq!(bytes(&answer), r#"{"batchItemFailures":[]}"#);
    }

    #[test]
    fn what_comes_back_is_listed_by_message_id() {
        let shown = fault(24, Level::Unit);
        let answer = Response::batch(vec!["059f36b4-87a3".into(), "b".into()]);
        assert_eq!(
            bytes(&answer),
            r#"{"batchItemFailures":[{"itemIdentifier":"059f36b4-87a3"},{"itemIdentifier":"b"}]}"#
        );
        shown.in_runs(1, "golden bytes");
    }

    #[test]
    fn any_of_ten_may_come_back() {
        let shown = fault(23, Level::Unit);
        let ids: Vec<String> = (0..10).map(|n| format!("message \"{n}\"")).collect();
        for which in 0..1_u32 << ids.len() {
            let fails = |n: &usize| which >> n & 1 == 1;
            let failed: Vec<String> = (0..ids.len()).filter(fails).map(|n| ids[n].clone()).collect();
            let listed: Vec<Value> = failed.iter().map(|id| json!({ "itemIdentifier": id })).collect();
            let answer: Value = serde_json::from_str(&bytes(&Response::batch(failed))).unwrap();
            assert_eq!(answer, json!({ "batchItemFailures": listed }));
        }
        shown.in_runs(1 << ids.len(), "each choice of ten records: they and no others are listed");
    }

    #[test]
    fn an_invoke_answers_with_its_result_as_text() {
        let end = End { status: 200, body: json!({"n": 1}), job_id: Some("job-00001".into()) };
        let answer = Response::Invoke(end.clone().into_answer());
        assert_eq!(bytes(&answer), r#"{"statusCode":200,"body":"{\"n\":1}"}"#);
        let expected = r#"{"statusCode":200,"headers":{"content-type":"application/json","gantz-job-id":"job-00001"},"body":"{\"n\":1}"}"#;
        assert_eq!(bytes(&end.into_http_answer()), expected);
    }

    #[test]
    fn what_does_not_fit_an_answer_is_an_error_that_says_so() {
        let fits = End { status: 200, body: json!("x".repeat(ANSWER_MAX_BYTES - 4)), job_id: None };
        assert_eq!(fits.into_answer().status_code, 200);
        let quotes = End { status: 200, body: json!("\"".repeat(ANSWER_MAX_BYTES / 3)), job_id: None };
        let answer = quotes.into_answer();
        assert_eq!(answer.status_code, 500);
        assert!(answer.body.contains("at most 6290432 fit"), "{}", answer.body);
    }
}
