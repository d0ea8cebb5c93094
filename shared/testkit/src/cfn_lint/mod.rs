//! CloudFormation templates held against what AWS says about each resource: `cfn-lint`, at a pinned version.

use std::path::Path;
use std::process::Command;

use crate::python;

const REQUIREMENTS: &str = include_str!("requirements.txt");
/// Names the folder of an installation; a change of the requirements takes a new one.
const INSTALLATION: &str = "cfn-lint-1.58.0";

/// What is wrong with a template, warnings included; empty if nothing is.
///
/// # Panics
/// When the program cannot be installed or run.
pub fn complaints(template: &Path) -> String {
    let site = python::install(INSTALLATION, REQUIREMENTS);
    let output = Command::new("python3")
        .args([
            "-c",
            "import sys; from cfnlint.runner import main; sys.exit(main())",
            "--format",
            "parseable",
            "--regions",
            "us-east-1",
            "--template",
        ])
        .arg(template)
        .env("PYTHONPATH", &site)
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() || !said.trim().is_empty(), "cfn-lint ended with {}", output.status);
    said.trim().to_owned()
}
