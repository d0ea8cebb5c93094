//! What a person at a terminal sees.

use crate::support::{Project, Screen, Shown};

#[tokio::test]
async fn a_terminal_shows_nothing_but_what_was_asked_for() {
    let project = Project::trial();
    project.write("data/one.csv", "a,b\n1,2\n");
    for words in [&["check"][..], &["run", "say", "--what", "hello"], &["jobs"]] {
        let plain = project.gantz(words).await;
        let screen = Screen::of(project.command(words), 200, Shown::Everything).await;
        assert_eq!(screen.code, Some(0), "{screen:?}");
        if words[0] != "jobs" {
            assert_eq!(screen.raw.replace("\r\n", "\n"), plain.stdout);
        }
        let screen = Screen::of(project.command(words), 200, Shown::StderrOnly).await;
        assert_eq!((screen.code, screen.raw.as_str()), (Some(0), ""), "{words:?}");
    }
}

#[tokio::test]
async fn tables_fit_the_screen() {
    let project = Project::trial();
    for n in 0..3 {
        project.write(&format!("data/some/deeply/nested/folder/of/files/report-{n}.csv"), "a,b\n1,2\n");
    }
    project.gantz(&["batch", "analyze_file", "--files", "data", "--id", "reports-1"]).await.ok();
    for words in [&["check"][..], &["jobs"], &["run"]] {
        for columns in [80, 100, 130] {
            let screen = Screen::of(project.command(words), columns, Shown::Everything).await;
            let lines = screen.lines();
            let long = lines.iter().find(|line| line.chars().count() > usize::from(columns));
            assert_eq!((screen.code, long), (Some(0), None), "{words:?} {columns}");
            assert!(words != ["jobs"] || screen.raw.contains(".csv"), "{screen:?}");
        }
    }
}

#[tokio::test]
async fn a_batch_draws_its_progress_and_nothing_else() {
    let project = Project::trial();
    project.write("data/one.csv", "a,b\n1,2\n");
    let words = ["batch", "analyze_file", "--files", "data"];
    let screen = Screen::of(project.command(&words), 100, Shown::StderrOnly).await;
    assert_eq!(screen.code, Some(0), "{screen:?}");
    let strange: Vec<_> = screen.lines().into_iter().filter(|line| !line.contains("jobs/s")).collect();
    assert_eq!(strange, [""; 0], "{screen:?}");
}

#[tokio::test]
async fn logs_have_colours_unless_they_are_unwanted() {
    let project = Project::trial();
    let words = ["-v", "run", "say", "--what", "hello"];
    let screen = Screen::of(project.command(&words), 200, Shown::StderrOnly).await;
    assert_eq!(screen.code, Some(0), "{screen:?}");
    assert!(screen.raw.contains("\u{1b}[32m INFO\u{1b}[0m"), "{screen:?}");
    let screen = Screen::without_colours(project.command(&words), 200, Shown::StderrOnly).await;
    assert!(screen.raw.contains(" INFO gantz::node: ") && !screen.raw.contains('\u{1b}'), "{screen:?}");
}
