//! Tools that are there without being written.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::{Manifest, ToolSpec};

const TEXT: &str = include_str!("builtin.yaml");

/// The tools of every project, by name.
pub(super) fn tools() -> &'static BTreeMap<String, ToolSpec> {
    // Read when first asked for. That it can be read is a test's business.
    static TOOLS: LazyLock<BTreeMap<String, ToolSpec>> =
        LazyLock::new(|| Manifest::parse("built-in tools", TEXT).map(|read| read.tools).unwrap_or_default());
    &TOOLS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_can_be_read() {
        let names: Vec<&str> = tools().keys().map(String::as_str).collect();
        assert_eq!(names, ["analyze_file", "get_function_logs", "invoke_lambda", "list_functions"]);
    }
}
