//! Folders, patterns and single files.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use gantz_core::job::JobStatus;
use serde::Serialize;
use serde_json::json;

use crate::plan::world::World;

/// Plans a batch of files and returns the paths below the source folder that its children got, in their order.
async fn plan(world: &World, patterns: impl Serialize) -> Vec<String> {
    world.submit(json!({"tool": "read", "files": patterns, "parameters": {"mood": "glad"}})).await;
    let (end, ran) = world.finish().await;
    assert_eq!(end.batch.planning_error, None);
    let children = world.assert_children(end.batch.planned).await;
    let mut paths = Vec::new();
    for (index, parameters) in ran {
        let path = parameters["path"].as_str().unwrap();
        assert_eq!(children[index as usize].label.as_deref(), Some(path));
        assert_eq!(parameters, json!({"path": path, "mood": "glad"}));
        assert_eq!(fs::read_to_string(path).unwrap(), "content");
        let below = Path::new(path).strip_prefix(world.source()).unwrap_or(Path::new(path));
        paths.push(below.to_str().unwrap().to_owned());
    }
    paths
}

fn world_with(names: &[&str]) -> World {
    let world = World::new();
    for name in names {
        world.write(name, "content");
    }
    world
}

#[tokio::test]
async fn a_folder_means_every_file_below_it_in_the_order_of_names() {
    let names =
        ["b.txt", "a b.txt", "a/2", "a/10", "a/deep/er/x", "Z", "ä ö.txt", "a.txt", ".hidden", "c/*[1]?.txt"];
    let world = world_with(&names);
    fs::create_dir(world.source().join("empty")).unwrap();
    let mut paths = plan(&world, world.source().to_str().unwrap()).await;
    let in_order =
        [".hidden", "Z", "a/10", "a/2", "a/deep/er/x", "a b.txt", "a.txt", "b.txt", "c/*[1]?.txt", "ä ö.txt"];
    assert_eq!(paths, in_order);

    // A final slash means the same.
    let world = world_with(&names);
    paths = plan(&world, &format!("{}/", world.source().display())).await;
    assert_eq!(paths, in_order);
}

#[tokio::test]
async fn patterns_match_as_a_shell_does() {
    let names = ["a.txt", "b.txt", "b.md", "c d.txt", "sub/e.txt", "sub/deep/f.txt", "[g].txt", "{h}.txt"];
    let table: [(&str, &[&str]); 9] = [
        ("*.txt", &["[g].txt", "a.txt", "b.txt", "c d.txt", "{h}.txt"]),
        ("**/*.txt", &["[g].txt", "a.txt", "b.txt", "c d.txt", "sub/deep/f.txt", "sub/e.txt", "{h}.txt"]),
        ("*/*.txt", &["sub/e.txt"]),
        ("s*/**", &["sub/deep/f.txt", "sub/e.txt"]),
        ("{b.*,sub/deep/f.txt}", &["b.md", "b.txt", "sub/deep/f.txt"]),
        ("[ab].txt", &["a.txt", "b.txt"]),
        ("?.md", &["b.md"]),
        // A name that exists is meant as it is.
        ("[g].txt", &["[g].txt"]),
        ("*.none", &[]),
    ];
    for (pattern, expected) in table {
        let world = world_with(&names);
        let pattern = format!("{}/{pattern}", world.source().display());
        assert_eq!(plan(&world, &pattern).await, expected, "{pattern}");
    }
}

#[tokio::test]
async fn hidden_names_are_matched_by_patterns_that_have_the_dot() {
    let names = ["a.txt", ".b.txt", ".git/c.txt", "sub/.d.txt", "sub/e.txt"];
    let table: [(&str, &[&str]); 4] = [
        ("*.txt", &["a.txt"]),
        ("**/*.txt", &["a.txt", "sub/e.txt"]),
        (".*.txt", &[".b.txt"]),
        (".git/*", &[".git/c.txt"]),
    ];
    for (pattern, expected) in table {
        let world = world_with(&names);
        let pattern = format!("{}/{pattern}", world.source().display());
        assert_eq!(plan(&world, &pattern).await, expected, "{pattern}");
    }
}

#[tokio::test]
async fn patterns_are_taken_one_after_another_and_a_file_once() {
    let names: Vec<String> = (0..450).map(|n| format!("n{n:03}.txt")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).chain(["a.md", "z.md"]).collect();
    let world = world_with(&names);
    let pattern = |text: &str| format!("{}/{text}", world.source().display());
    let paths = plan(&world, [pattern("z.md"), pattern("n*"), pattern("*")]).await;
    let expected: Vec<&str> = ["z.md"].iter().chain(&names[..450]).chain(&["a.md"]).copied().collect();
    assert_eq!(paths, expected);
}

#[tokio::test]
async fn a_single_file_is_a_batch_of_one() {
    let world = world_with(&["one file.txt", "another"]);
    let path = world.source().join("one file.txt");
    assert_eq!(plan(&world, path.to_str().unwrap()).await, ["one file.txt"]);
}

#[tokio::test]
async fn links_are_not_followed_unless_they_are_what_was_named() {
    let world = world_with(&["real/a", "b"]);
    symlink(world.source().join("real"), world.source().join("folder-link")).unwrap();
    symlink(world.source().join("b"), world.source().join("file-link")).unwrap();
    symlink(world.source(), world.source().join("real/loop")).unwrap();
    let paths = plan(&world, world.source().to_str().unwrap()).await;
    assert_eq!(paths, ["b", "file-link", "real/a"], "a link to a file is a job, a link to a folder is none");

    for (named, expected) in [("folder-link", "folder-link/a"), ("file-link", "file-link")] {
        let world = world_with(&["real/a", "b"]);
        symlink("real", world.source().join("folder-link")).unwrap();
        symlink("b", world.source().join("file-link")).unwrap();
        let path = world.source().join(named);
        assert_eq!(plan(&world, path.to_str().unwrap()).await, [expected]);
    }
}

#[tokio::test]
async fn the_data_directory_is_left_out() {
    let world = world_with(&["a"]);
    assert_eq!(plan(&world, world.root().to_str().unwrap()).await, ["a"]);

    // Also where its path is written in another way.
    let world = world_with(&["a"]);
    let roundabout = format!("{}/source/..", world.root().display());
    let paths = plan(&world, &roundabout).await;
    assert_eq!(paths.len(), 1, "{paths:?}");
}

#[tokio::test]
async fn names_that_are_not_utf_8_fail_alone_and_are_named() {
    let world = world_with(&["a", "z"]);
    for name in [b"b\xff".as_slice(), b"m\xc3(\xfe"] {
        fs::write(world.source().join(OsStr::from_bytes(name)), "content").unwrap();
    }
    world.submit(json!({"tool": "read", "files": world.source(), "tolerate": 2})).await;
    let (end, ran) = world.finish().await;
    assert_eq!(ran.into_keys().collect::<Vec<_>>(), [0, 3]);
    assert_eq!((end.batch.status, end.totals.failed), (JobStatus::Succeeded, 2));
    let children = world.assert_children(4).await;
    for (place, shown) in [(1, "b\\xFF"), (2, "m\\xC3(\\xFE")] {
        assert!(children[place].label.as_ref().unwrap().ends_with(shown), "{:?}", children[place].label);
        assert_eq!(
            children[place].error.as_ref().unwrap().message,
            "the file's name is not UTF-8, and the tool has no parameter `path_base64` for such a name"
        );
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_read_is_a_failed_child() {
    let world = world_with(&["a", "closed/x", "z"]);
    let closed = world.source().join("closed");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read_dir(&closed).is_ok() {
        // Nothing is closed to the superuser.
        return;
    }
    world.submit(json!({"tool": "read", "files": world.source(), "tolerate": 1})).await;
    let (end, ran) = world.finish().await;
    assert_eq!((end.batch.planned, ran.len()), (3, 2));
    let child = &world.assert_children(3).await[1];
    assert!(child.label.as_ref().unwrap().ends_with("/closed"));
    assert!(child.error.as_ref().unwrap().message.contains("closed"), "{:?}", child.error);

    // A pattern that does not reach into it does not miss it.
    let world = world_with(&["a", "closed/x", "z"]);
    let closed = world.source().join("closed");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    assert_eq!(plan(&world, &format!("{}/*", world.source().display())).await, ["a", "z"]);
}

#[tokio::test]
async fn a_pattern_that_begins_nowhere_fails_the_batch_and_says_why() {
    let world = World::new();
    let here = world.source().display().to_string();
    let table = [
        (format!("{here}/missing"), "there is no file or folder"),
        (format!("{here}/missing/*.txt"), "there is no folder"),
        (format!("{here}/[a"), "is no pattern"),
    ];
    for (pattern, part) in table {
        let world = World::new();
        fs::create_dir_all(&here).unwrap();
        world.submit(json!({"tool": "read", "files": pattern})).await;
        let end = world.plan_all().await;
        assert_eq!((end.batch.status, end.batch.planned), (JobStatus::Failed, 0));
        let reason = end.batch.planning_error.unwrap();
        assert!(reason.contains(part), "{reason}");
    }
}
