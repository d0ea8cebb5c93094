//! What the guide shows of other people's programs works as it stands there.

use std::fs;
use std::process::Command;

use gantz_testkit::{ministack, node, python};

use crate::fleet::{Fleet, fleet};

const GUIDE: &str = include_str!("../../../docs/guides/aws.md");
/// Besides what the emulator has already.
const BOTO3: (&str, &str) = ("boto3-1.43.106", "boto3==1.43.106\ns3transfer==0.19.3\n");

const AWS_SDK_FOR_JAVASCRIPT: (&str, &str, &str) = (
    "aws-sdk-js-3.1169.0",
    include_str!("typescript/package.json"),
    include_str!("typescript/package-lock.json"),
);

/// The guide's program in that language, for the stack and the tool that are here.
fn snippet(language: &str) -> String {
    let fence = format!("```{language}\n");
    let (_, rest) = GUIDE.split_once(&fence).unwrap_or_else(|| panic!("the guide has no {fence}"));
    let (program, _) = rest.split_once("```").unwrap();
    let swap = |program: &str, shown: &str, here: &str| {
        assert!(program.contains(shown), "no {shown} in {program}");
        program.replace(shown, here)
    };
    swap(&swap(program, "\"my-tools\"", &format!("\"{}\"", Fleet::STACK)), "\"word_count\"", "\"echo\"")
}

#[tokio::test]
async fn a_program_of_typescript_does_the_same() {
    let fleet = fleet();
    let (name, package, lock_file) = AWS_SDK_FOR_JAVASCRIPT;
    let packages = node::install(name, package, lock_file);
    // Where its packages are looked for, and out of the way of others that run it.
    let folder = tempfile::tempdir_in(&packages).unwrap();
    fs::write(folder.path().join("main.ts"), snippet("typescript")).unwrap();
    let compiler = packages.join("node_modules/typescript/bin/tsc");
    let mut compile = Command::new("node");
    compile.arg(compiler).args([
        "--strict",
        "--skipLibCheck",
        "--target",
        "es2022",
        "--module",
        "nodenext",
        "main.ts",
    ]);
    let compiled = compile.current_dir(&folder).output().unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stdout));
    let mut program = Command::new("node");
    program.arg("main.js").current_dir(&folder).envs(fleet.environment());
    let ran = program.output().unwrap();
    let (told, errors) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert_eq!(told, "SUCCEEDED { text: 'to be or not to be' }\n", "{errors}");
}

#[tokio::test]
async fn a_program_of_python_publishes_a_job_and_polls_it() {
    let fleet = fleet();
    let (name, requirements) = BOTO3;
    let packages = [python::install(name, requirements), ministack::packages()];
    let mut program = Command::new("python3");
    program.args(["-c", &snippet("python")]).env("PYTHONPATH", std::env::join_paths(packages).unwrap());
    // As the guide has it: boto3 takes the region from this variable alone.
    program.envs(fleet.environment()).env("AWS_DEFAULT_REGION", "us-east-1");
    let ran = program.output().unwrap();
    let (told, errors) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert_eq!(told, "SUCCEEDED {'text': 'to be or not to be'}\n", "{errors}");
}
