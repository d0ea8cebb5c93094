//! A disk that fills up in the middle of a batch and is cleared again, as a small file system of the test's own.

use std::process::Command;

use crate::support::Project;

const FILES: usize = 1_500;
/// What the disk holds: the data of the batch's beginning, and with the ballast gone, of all of it.
const DISK: &str = "24m";
const BALLAST: &str = "21m";

/// In a name space of its own, which takes the file system with it when it ends: mounts the disk, runs a batch on it, and
/// clears the disk once it is said to be full.
const SCRIPT: &str = r#"
mount -t tmpfs -o size="$DISK" none disk || exit 90
head -c "$BALLAST" /dev/zero > disk/ballast || exit 91
"$GANTZ" batch analyze_file --files 'files/*' --data-dir disk/data --output json > report 2> log &
until grep -qs 'the disk is full' log; do
    kill -0 $! 2> /dev/null || exit 92
    sleep 0.05
done
rm disk/ballast
wait $!
"#;

/// A script in a name space of its own.
fn in_space(project: &Project, script: &str) -> Command {
    let gantz = project.command(&[]);
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]);
    command.current_dir(project.path("")).env("DISK", DISK).env("BALLAST", BALLAST);
    command.env("GANTZ", gantz.get_program()).env("HOME", project.path("")).env("NO_COLOR", "1");
    command
}

fn may_mount(project: &Project) -> bool {
    let tried = in_space(project, "mount -t tmpfs none disk").output();
    let may = tried.is_ok_and(|tried| tried.status.success());
    if !may {
        eprintln!("skipped: this machine lets nobody mount a file system of their own");
    }
    may
}

/// A job, a disk without a free page, and what can be done then.
const FULL: &str = r#"
mount -t tmpfs -o size="$DISK" none disk || exit 90
"$GANTZ" run analyze_file --path file --data-dir disk/data > /dev/null || exit 91
cat /dev/zero > disk/ballast 2> /dev/null
"$GANTZ" jobs --data-dir disk/data > jobs || exit 92
"$GANTZ" submit analyze_file --path file --data-dir disk/data 2> refused && exit 93
rm disk/ballast
"$GANTZ" run analyze_file --path file --data-dir disk/data > /dev/null || exit 94
"#;

#[tokio::test]
async fn it_refuses_submissions_and_is_read() {
    let project = Project::trial();
    project.write("file", "text\n");
    std::fs::create_dir(project.path("disk")).expect("a folder");
    if !may_mount(&project) {
        return;
    }
    project.run(in_space(&project, FULL)).await.ok();
    let refused = project.read("refused").expect("an error");
    let says = "error: the disk is full: nothing can be recorded until there is room";
    assert!(refused.starts_with(says), "{refused}");
    assert!(project.read("jobs").expect("a table").contains("SUCCEEDED"));
}

#[tokio::test]
async fn it_is_said_once_and_the_batch_goes_on_when_there_is_room() {
    let project = Project::trial();
    for n in 0..FILES {
        project.write(&format!("files/{n}"), &format!("file {n}\n"));
    }
    std::fs::create_dir(project.path("disk")).expect("a folder");
    if !may_mount(&project) {
        return;
    }
    project.run(in_space(&project, SCRIPT)).await.ok();

    let log = project.read("log").expect("a log");
    let said: Vec<&str> =
        log.lines().filter(|line| line.contains("ERROR") || line.contains("WARN")).collect();
    assert!(said.len() == 1 && said[0].contains("the disk is full"), "{log}");
    let report: serde_json::Value =
        serde_json::from_str(&project.read("report").expect("a report")).expect("JSON");
    assert_eq!(report["by_status"]["SUCCEEDED"], FILES, "{report}");
}
