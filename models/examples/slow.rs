//! The slow side's command line without the plugin: `slow train …`.

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    std::process::exit(mien_models::commands::run(&arguments));
}
