//! `deploy`, as far as it gets without AWS.

use crate::support::Project;

#[tokio::test]
async fn without_source_or_programs_it_says_what_to_give() {
    let project = Project::trial();
    let ran = project.gantz(&["deploy"]).await;
    let told = ran.refused(1);
    assert!(told.contains("neither is the source to build them from"), "{ran}");
    assert!(told.contains("hint: give a folder of prebuilt programs with `--artifacts DIR`"), "{ran}");
}

#[tokio::test]
async fn without_cargo_lambda_it_says_how_to_install_it() {
    let project = Project::trial();
    // What a clone of Gantz is known by.
    project.write("dispatcher/Cargo.toml", "");
    project.write("workers/Cargo.toml", "");
    let mut command = project.command(&["deploy"]);
    let output = command.env("PATH", project.path("nothing")).output().expect("the binary");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "error: `cargo lambda`, which builds the functions, is not installed\n\
         hint: `pip install cargo-lambda` installs it, with the linker it needs; or give prebuilt programs with \
         `--artifacts DIR`\n"
    );
}
