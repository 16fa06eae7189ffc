//! The command: what it prints where, and how it exits.

#![cfg(feature = "native")]

mod diffusers_folder;

use std::fs;
use std::process::{Command, Output, Stdio};

use diffusers_folder::{Folder, source};
use serde_json::Value;

fn tenstep(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tenstep")).args(arguments).output().expect("the command runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// The output of a command that must succeed.
fn done(arguments: &[&str]) -> String {
    let output = tenstep(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// The complaint of a command that must exit with `code`.
fn refused(arguments: &[&str], code: i32) -> String {
    let output = tenstep(arguments);
    let complaint = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {complaint}");
    assert!(output.stdout.is_empty(), "results only on success");
    complaint
}

#[test]
fn wrong_usage_exits_with_2() {
    for arguments in [&[][..], &["draw"], &["generate"], &["convert", "a"], &["inspect", "--wrong", "a"]] {
        assert!(refused(arguments, 2).contains("Usage: tenstep"), "{arguments:?}");
    }
    for arguments in [&["--help"][..], &["generate", "--help"], &["convert", "--help"]] {
        assert!(done(arguments).contains("Usage: tenstep"));
    }
    assert_eq!(done(&["--version"]), format!("tenstep {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn failures_exit_with_1_and_a_code() {
    let folder = Folder::new("cli-failures");
    let missing = folder.join("manifest.json").display().to_string();
    assert!(refused(&["inspect", &missing], 1).starts_with(&format!("error[io]: {missing}: ")));
    folder.write("manifest.json", "<html></html>");
    assert!(
        refused(&["inspect", &missing], 1).starts_with("error[invalid-manifest]: manifest: this is HTML")
    );
    folder.write("manifest.json", r#"{"schemaVersion": 7}"#);
    let complaint = refused(&["inspect", &missing], 1);
    assert!(complaint.starts_with("error[unsupported-manifest-version]: manifest: schema version 7"));
}

/// `tenstep solvers --json | head -1`: who reads has seen enough, and that is no failure.
#[test]
fn a_closed_pipe_is_no_failure() {
    let (source, out) = (source("pipe"), Folder::new("pipe-out"));
    let [from, to] = [&source, &out].map(|folder| folder.0.display().to_string());
    for arguments in [&["solvers", "--json"][..], &["convert", &from, &to]] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tenstep"))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("tenstep starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("tenstep ends");
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    }
}

#[test]
fn solvers_are_listed_and_their_plans_printed() {
    let listed: Value = serde_json::from_str(&done(&["solvers", "--json"])).expect("JSON");
    let solvers = listed["solvers"].as_array().expect("a list");
    let heun = solvers.iter().find(|solver| solver["name"] == "heun").expect("a method");
    assert_eq!((&heun["order"], &heun["evaluationsPerStep"]), (&2.into(), &2.into()));
    let measured = heun["measuredOrder"].as_f64().expect("a number");
    assert!((1.8..2.2).contains(&measured), "{measured}");
    let heading = "name          order measured evaluations  options";
    assert_eq!(done(&["solvers"]).lines().next(), Some(heading));

    let arguments = ["plan", "--solver", "Heun Karras", "--steps", "10", "--json"];
    let plan: Value = serde_json::from_str(&done(&arguments)).expect("JSON");
    assert_eq!((&plan["solver"], &plan["schedule"]), (&"heun".into(), &"karras".into()));
    assert_eq!((&plan["evaluations"], &plan["solverSteps"]), (&10.into(), &6.into()));
    assert_eq!(plan["steps"][1]["update"][0]["of"], "sample");
    assert_eq!(plan["steps"][1]["update"][0]["back"], 1);

    assert!(done(&["plan", "--solver", "euler"]).starts_with("euler, trailing: 10 evaluations in 10 steps"));
    let listed = done(&["plan", "--solver", "heun", "--timesteps", "999,500,20"]);
    assert!(listed.starts_with("heun, timesteps: 5 evaluations in 3 steps"), "{listed}");
    let complaint = refused(&["plan", "--solver", "dpm2", "--option", "eta=1"], 2);
    assert!(complaint.contains("eta must be left out: dpm2 has only final_sigmas"), "{complaint}");
    assert!(refused(&["plan", "--option", "eta"], 2).contains("option must be name=value"));
    assert!(refused(&["plan", "--solver", "magic"], 2).contains("solver must be one of"));
}

#[test]
fn methods_are_compared_from_the_same_noise() {
    let arguments = ["compare", "--backend", "cpu", "--solvers", "ddim,pndm,dpm-adaptive", "--steps", "1,3"];
    let arguments =
        [&arguments[..], &["--seeds", "2", "--reference-solver", "ddim", "--reference-steps", "3"]];
    let arguments =
        [arguments.concat(), vec!["--reference-schedule", "trailing", "--guidance-scale", "1"]].concat();
    let json = [&arguments[..], &["--json"]].concat();
    let compared: Value = serde_json::from_str(&done(&json)).expect("JSON");
    let rows = compared["rows"].as_array().expect("a list");
    // F-PNDM starts with more evaluations than that.
    let names: Vec<_> = rows.iter().map(|row| (row["solver"].as_str(), row["budget"].as_u64())).collect();
    let expected = [("ddim", 1), ("ddim", 3), ("dpm-adaptive", 1), ("dpm-adaptive", 3)];
    assert_eq!(names, expected.map(|(name, budget)| (Some(name), Some(budget))));
    assert_eq!(rows[1]["median"], 0.0, "this is the reference itself");
    assert!(rows[0]["median"].as_f64() > Some(0.01) && rows[0]["standardError"].as_f64() >= Some(0.0));
    assert_eq!((&compared["seeds"], &compared["backend"]["backend"]), (&2.into(), &"cpu".into()));
    assert!(done(&arguments).contains("distance to ddim with 3 evaluations"));
    assert!(refused(&["compare", "--solvers", "magic", "--backend", "cpu"], 2).contains("solver"));
    for steps in ["0", "5,2000"] {
        assert!(
            refused(&["compare", "--steps", steps], 2).contains("steps must be whole numbers from 1 to 1000")
        );
    }
}

#[test]
fn shaders_are_written() {
    if std::env::var_os("TENSTEP_SKIP_GPU").is_some_and(|value| value == "1") {
        eprintln!("SKIPPED: TENSTEP_SKIP_GPU=1");
        return;
    }
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("shaders");
    let arguments = ["bench", "--network", "text-encoder", "--shaders", folder.to_str().expect("UTF-8")];
    let said = done(&arguments);
    let attention = said.lines().find(|line| line.contains("Attention")).expect("a shader's path");
    let text = std::fs::read_to_string(attention).expect("the shader");
    // The form for GPUs, whatever the adapter.
    assert!(attention.contains("MANY_THREADS") && text.contains("const UNROLLED = 4u;"), "{text}");
    assert!(!text.contains("#if") && !text.contains("#for"), "{text}");
    assert!(refused(&["bench", "--shaders", "a", "--json"], 2).contains("--json"));
}

#[test]
fn networks_are_timed() {
    let arguments =
        ["bench", "--backend", "cpu", "--network", "text-encoder", "--evaluations", "2", "--json"];
    let timed: Value = serde_json::from_str(&done(&arguments)).expect("JSON");
    assert_eq!((&timed["backend"]["backend"], &timed["peaks"]), (&"cpu".into(), &Value::Null));
    assert_eq!(timed["build"]["version"], env!("CARGO_PKG_VERSION"));
    let networks = timed["networks"].as_array().expect("a list");
    assert_eq!((networks.len(), &networks[0]["name"]), (1, &"text_encoder".into()));
    assert_eq!(networks[0]["inputs"][0]["shape"], serde_json::json!([2, 16]));
    let times = &networks[0]["times"];
    assert_eq!(times["evaluations"], 2);
    assert!(times["leastMillis"].as_f64() > Some(0.0));
    assert!(times["leastMillis"].as_f64() <= times["medianMillis"].as_f64());
    let groups = networks[0]["groups"].as_array().expect("a list");
    let operations = |name: &str| groups.iter().find(|group| group["name"] == name).expect("a kind");
    assert!(operations("linear")["gigaflops"].as_f64() > Some(0.0));
    assert!(operations("attention")["count"].as_u64() > Some(0));
    let said = done(&arguments[..arguments.len() - 1]);
    assert!(said.contains("the processor") && said.contains("text_encoder: input_ids [2, "), "{said}");

    let complaint = refused(&["bench", "--backend", "cpu", "--size", "17"], 2);
    assert!(complaint.starts_with("error[invalid-option]: size must be a multiple of "), "{complaint}");
    assert!(refused(&["bench", "--latents", "8"], 2).contains("--config"));
    assert!(refused(&["bench", "--config", "a", "--batch", "0"], 2).contains("1 to 64"));
    assert!(refused(&["bench", "--config", "missing.json"], 1).starts_with("error[io]: missing.json"));
}

#[test]
fn a_folder_is_converted_inspected_and_drawn_from() {
    let source = source("cli");
    let out = Folder::new("cli-out");
    let path = |folder: &Folder| folder.0.display().to_string();
    let manifest = out.join("manifest.json").display().to_string();
    let converted = done(&[
        "convert",
        &path(&source),
        &path(&out),
        "--dtype",
        "int8",
        "--name",
        "tiny",
        "--revision",
        "r1",
        "--licence",
        "MIT",
        "--style",
        "noto",
        "--steps",
        "3",
        "--schedule",
        "trailing",
    ]);
    assert!(converted.contains("vae_encoder") && converted.contains("tiny r1: "), "{converted}");

    let inspected = done(&["inspect", &manifest]);
    for part in
        ["tiny r1 (MIT)", "unet", "GFLOP", "16 x 16", "3 steps, guidance 4, dpmpp-2m, trailing", "noto"]
    {
        assert!(inspected.contains(part), "{part}: {inspected}");
    }
    let json: Value = serde_json::from_str(&done(&["inspect", &manifest, "--json"])).expect("JSON");
    assert_eq!(json["info"]["name"], "tiny");
    assert_eq!(json["components"][3]["name"], "vae_encoder");
    assert!(json["info"]["evaluationFlops"].as_u64().is_some_and(|flops| flops > 1_000_000));

    let smaller = Folder::new("cli-out-int4");
    let tensors = |folder: &Folder| {
        done(&["inspect", "--tensors", &folder.join("manifest.json").display().to_string()])
    };
    done(&["convert", &path(&source), &path(&smaller), "--dtype", "int4"]);
    let largest = "mid_block.resnets.0.conv1.weight";
    for (folder, line) in [(&out, "Int8 [64, 64, 3, 3]"), (&smaller, "Int4 [64, 64, 3, 3]")] {
        assert!(tensors(folder).contains(&format!("{largest} {line}")), "{}", tensors(folder));
    }

    let picture = out.join("fox.png").display().to_string();
    let generate = |more: &[&str]| {
        let always = ["generate", "a red fox", "-o", &picture, "--model", &manifest, "--backend", "cpu"];
        [&always, more].concat().iter().map(|argument| (*argument).to_owned()).collect::<Vec<String>>()
    };
    let run = |arguments: &[String]| done(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let said = run(&generate(&["--seed", "7", "--style", "noto"]));
    assert_eq!(said, format!("{picture} (seed 7)\n"));
    let first = fs::read(&picture).expect("a picture");
    let reader = png::Decoder::new(std::io::Cursor::new(&first)).read_info().expect("a PNG");
    assert_eq!((reader.info().width, reader.info().height), (16, 16));
    let texts = reader.info().utf8_text.iter();
    let texts: Vec<(String, String)> =
        texts.map(|chunk| (chunk.keyword.clone(), chunk.get_text().expect("text"))).collect();
    for (keyword, value) in [("prompt", "a red fox"), ("seed", "7"), ("style", "noto"), ("model", "tiny r1")]
    {
        assert!(texts.contains(&(keyword.to_owned(), value.to_owned())), "{keyword}: {texts:?}");
    }
    run(&generate(&["--seed", "7", "--style", "noto"]));
    assert_eq!(fs::read(&picture).expect("a picture"), first, "the same seed draws the same file");

    let bad = [
        ["--steps", "0"],
        ["--steps", "1.5"],
        ["--steps", "NaN"],
        ["--seed", "-1"],
        ["--seed", "9007199254740992"],
        ["--guidance-scale", "nan"],
        ["--solver", "magic"],
        ["--schedule", "magic"],
        ["--style", "magic"],
        ["--width", "17"],
        ["--height", "0"],
    ];
    for more in bad {
        let arguments = generate(&more);
        let complaint = refused(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), 2);
        assert!(complaint.contains("error[invalid-option]: "), "{more:?}: {complaint}");
    }
}
