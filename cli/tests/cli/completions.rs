//! `completions`.

use crate::support::Project;

#[tokio::test]
async fn shells_learn_every_command() {
    let project = Project::empty();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = project.gantz(&["completions", shell]).await;
        let script = ran.ok();
        for word in ["init", "batch", "redrive", "completions", "watch-tool", "jsonl"] {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
    }
    let ran = project.gantz(&["completions", "dos"]).await;
    assert!(ran.refused(2).contains("bash"), "{ran}");
}

#[tokio::test]
async fn bash_can_read_them() {
    let project = Project::empty();
    let script = project.gantz(&["completions", "bash"]).await;
    project.write("gantz.bash", script.ok());
    // Where there is no bash, there is nothing to show.
    let Ok(checked) = std::process::Command::new("bash").arg("-n").arg(project.path("gantz.bash")).output()
    else {
        return;
    };
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
