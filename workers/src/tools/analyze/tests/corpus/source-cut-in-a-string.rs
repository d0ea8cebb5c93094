fn main() {
    let a = "never