//! Circles of files: files of one crate that use each other in a loop, directly or through others. Read from the
//! sources: an arrow goes from a file to the file that defines what it uses. Names that are only handed on (`pub use`)
//! and tests are no arrows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::Visit;
use syn::{Item, UseTree, Visibility};

use super::{LINE, root};

#[test]
fn no_file_stands_in_a_circle() {
    let mut found = Vec::new();
    for crate_ in LINE {
        let house = House::read(&root().join(crate_).join("src"));
        let circles = house.circles();
        if !circles.is_empty() {
            found.push(format!("{crate_}:\n{}", house.explain(&circles)));
        }
    }
    assert!(found.is_empty(), "files use each other in a circle:\n{}", found.join("\n"));
}

#[test]
fn a_circle_is_found_through_names_handed_on_and_a_line_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let circles = |parent: &str| {
        write("parent.rs", parent);
        let house = House::read(folder.path());
        let circles = house.circles().into_iter().flatten().map(|file| house.name(file)).collect::<Vec<_>>();
        circles.join(" ")
    };
    write("lib.rs", "mod parent; mod other; pub use parent::Parent;");
    write("other.rs", "use crate::Parent; pub struct Other(Parent);");
    write("parent/child.rs", "use super::Parent; pub fn child(_: &Parent) {}");

    assert_eq!(circles("mod child; pub use child::child; pub struct Parent;"), "");
    assert_eq!(
        circles("mod child; use child::child; pub struct Parent; fn f() { child(&Parent) }"),
        "parent.rs parent/child.rs"
    );
    assert_eq!(
        circles("mod child; pub struct Parent; fn f() { child::child(&Parent) }"),
        "parent.rs parent/child.rs"
    );
    assert_eq!(circles("pub struct Parent(Box<crate::other::Other>);"), "parent.rs other.rs");
    assert_eq!(circles("use crate::other::*; pub struct Parent(Box<Other>);"), "parent.rs other.rs");
    assert_eq!(circles("use crate::other as o; pub struct Parent(Box<o::Other>);"), "parent.rs other.rs");
    assert_eq!(
        circles("pub struct Parent;\n#[cfg(test)]\nmod tests { use crate::other::Other; fn f(_: Other) {} }"),
        ""
    );
}

/// A module: its file, and what it defines and takes from elsewhere.
#[derive(Default)]
struct Module {
    file: usize,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    defines: BTreeSet<String>,
    takes: BTreeMap<String, Vec<String>>,
    takes_all: Vec<Vec<String>>,
    /// Paths that it uses itself.
    uses: Vec<Vec<String>>,
}

/// The files of a crate and the arrows between them.
struct House {
    folder: PathBuf,
    files: Vec<PathBuf>,
    modules: Vec<Module>,
}

impl House {
    /// The crate below `folder`, which holds `lib.rs`.
    fn read(folder: &Path) -> Self {
        let mut house = Self { folder: folder.to_owned(), files: Vec::new(), modules: Vec::new() };
        house.read_file(&folder.join("lib.rs"), folder.to_owned(), None);
        house
    }

    fn read_file(&mut self, file: &Path, folder: PathBuf, parent: Option<usize>) -> usize {
        let text = fs::read_to_string(file).unwrap();
        let items =
            syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display())).items;
        self.files.push(file.to_owned());
        self.read_items(items, self.files.len() - 1, folder, parent)
    }

    fn read_items(&mut self, items: Vec<Item>, file: usize, folder: PathBuf, parent: Option<usize>) -> usize {
        let id = self.modules.len();
        self.modules.push(Module { file, parent, ..Module::default() });
        for item in items.into_iter().filter(|item| !is_for_tests(item)) {
            if let Item::Mod(child) = item {
                let name = child.ident.to_string();
                let inner = folder.join(&name);
                let child = match child.content {
                    Some((_, items)) => self.read_items(items, file, inner, Some(id)),
                    None => self.read_file(&folder.join(format!("{name}.rs")), inner, Some(id)),
                };
                self.modules[id].children.insert(name, child);
            } else {
                self.modules[id].defines.extend(name_of(&item));
                Reader(&mut self.modules[id]).visit_item(&item);
            }
        }
        id
    }

    /// The module that defines what `path` names, seen from `from`. None: another crate.
    fn resolve(&self, from: usize, path: &[String], depth: usize) -> Option<usize> {
        let (first, rest) = path.split_first()?;
        let module = &self.modules[from];
        match first.as_str() {
            "crate" => self.descend(0, rest, depth),
            "self" => self.descend(from, rest, depth),
            "super" => self.descend(module.parent?, rest, depth),
            _ => self.lookup(from, path, depth),
        }
    }

    fn descend(&self, from: usize, path: &[String], depth: usize) -> Option<usize> {
        match path.first().map(String::as_str) {
            None => Some(from),
            Some("super") => self.descend(self.modules[from].parent?, &path[1..], depth),
            Some(_) => self.lookup(from, path, depth),
        }
    }

    fn lookup(&self, from: usize, path: &[String], depth: usize) -> Option<usize> {
        // Two modules that hand each other everything would go round for ever.
        if depth > 16 {
            return None;
        }
        let (first, rest) = path.split_first()?;
        let module = &self.modules[from];
        if let Some(child) = module.children.get(first) {
            return self.descend(*child, rest, depth + 1);
        }
        if module.defines.contains(first) {
            return Some(from);
        }
        if let Some(taken) = module.takes.get(first) {
            // `use name;` of another crate names itself.
            let full: Vec<String> = taken.iter().chain(rest).cloned().collect();
            return if full == path { None } else { self.resolve(from, &full, depth + 1) };
        }
        module.takes_all.iter().find_map(|glob| {
            let target = self.resolve(from, glob, depth + 1).filter(|target| *target != from)?;
            self.lookup(target, path, depth + 1)
        })
    }

    /// From each file to those that it uses.
    fn arrows(&self) -> BTreeMap<usize, BTreeSet<usize>> {
        let mut arrows: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for (id, module) in self.modules.iter().enumerate() {
            let targets = module.uses.iter().filter_map(|path| self.resolve(id, path, 0));
            let files = targets.map(|target| self.modules[target].file).filter(|file| *file != module.file);
            arrows.entry(module.file).or_default().extend(files);
        }
        arrows
    }

    /// The largest sets of files in which each reaches each other one.
    fn circles(&self) -> Vec<BTreeSet<usize>> {
        let arrows = self.arrows();
        let reach: Vec<BTreeSet<usize>> = (0..self.files.len()).map(|file| reached(&arrows, file)).collect();
        let in_circle_with = |file: usize| -> BTreeSet<usize> {
            reach[file].iter().copied().filter(|other| reach[*other].contains(&file)).collect()
        };
        let circles: BTreeSet<BTreeSet<usize>> = (0..self.files.len()).map(in_circle_with).collect();
        circles.into_iter().filter(|circle| circle.len() > 1).collect()
    }

    fn name(&self, file: usize) -> String {
        self.files[file].strip_prefix(&self.folder).unwrap().display().to_string()
    }

    fn explain(&self, circles: &[BTreeSet<usize>]) -> String {
        let arrows = self.arrows();
        let mut lines = Vec::new();
        for circle in circles {
            lines.push(format!("a circle of {}:", circle.len()));
            for file in circle {
                let inside = arrows[file].intersection(circle).map(|other| self.name(*other));
                lines.push(format!("  {} -> {}", self.name(*file), inside.collect::<Vec<_>>().join(", ")));
            }
        }
        lines.join("\n")
    }
}

/// All files that `start` uses, directly or through others.
fn reached(arrows: &BTreeMap<usize, BTreeSet<usize>>, start: usize) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut open = vec![start];
    while let Some(file) = open.pop() {
        for next in arrows.get(&file).into_iter().flatten() {
            if found.insert(*next) {
                open.push(*next);
            }
        }
    }
    found
}

/// What an item defines, by name.
fn name_of(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

/// Whether the item is left out of the product: `#[cfg(test)]`, or for tests of other crates.
fn is_for_tests(item: &Item) -> bool {
    let attributes = match item {
        Item::Mod(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        _ => return false,
    };
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else { return false };
        let condition = list.tokens.to_string();
        list.path.is_ident("cfg") && (condition.contains("test") && !condition.contains("not"))
    })
}

/// Puts what an item takes and uses into its module.
struct Reader<'a>(&'a mut Module);

impl Reader<'_> {
    fn take(&mut self, tree: &UseTree, before: &[String], hands_on: bool) {
        let with = |name: String| before.iter().cloned().chain([name]).collect::<Vec<String>>();
        let (name, path) = match tree {
            UseTree::Path(path) => return self.take(&path.tree, &with(path.ident.to_string()), hands_on),
            UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.take(tree, before, hands_on));
            }
            UseTree::Glob(_) => {
                if !hands_on {
                    self.0.uses.push(before.to_vec());
                }
                return self.0.takes_all.push(before.to_vec());
            }
            UseTree::Name(name) if name.ident == "self" => {
                let Some(last) = before.last() else { return };
                (last.clone(), before.to_vec())
            }
            UseTree::Name(name) => (name.ident.to_string(), with(name.ident.to_string())),
            UseTree::Rename(rename) => (rename.rename.to_string(), with(rename.ident.to_string())),
        };
        if !hands_on {
            self.0.uses.push(path.clone());
        }
        self.0.takes.insert(name, path);
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.take(&item.tree, &[], !matches!(item.vis, Visibility::Inherited));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 {
            self.0.uses.push(segments);
        }
        syn::visit::visit_path(self, path);
    }
}
