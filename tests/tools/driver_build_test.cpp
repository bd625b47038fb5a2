// What ndkrun build knows before it calls a compiler: build files, includes, the package, names in messages.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tools/ndkrun/build_files.h"
#include "tools/ndkrun/hints.h"
#include "tools/ndkrun/includes.h"
#include "tools/ndkrun/package.h"

namespace softndk::tools {
namespace {
namespace fs = std::filesystem;
using Words = std::vector<std::string>;

/// Files below a directory that is gone afterwards.
class Tree {
 public:
  Tree() {
    std::string pattern = fs::temp_directory_path() / "driver-build-XXXXXX";
    root_ = fs::canonical(mkdtemp(pattern.data()));
  }
  ~Tree() { fs::remove_all(root_); }
  void put(const std::string& name, const std::string& text) const {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << text;
  }
  fs::path operator/(const std::string& name) const { return root_ / name; }
  const fs::path& root() const { return root_; }

 private:
  fs::path root_;
};

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(ProjectFile, ListsTheSourcesAndDefinitionsOfTheFreeBuild) {
  const BuildFile file = parse_project(R"(
    <ConfigurationType>Driver</ConfigurationType>
    <ItemDefinitionGroup Condition="'$(Configuration)|$(Platform)'=='Debug|x64'"><ClCompile>
      <PreprocessorDefinitions>DEBUGGING;%(PreprocessorDefinitions)</PreprocessorDefinitions></ClCompile></ItemDefinitionGroup>
    <ItemDefinitionGroup Condition="'$(Configuration)|$(Platform)'=='Release|x64'"><ClCompile>
      <PreprocessorDefinitions>A=1; B;$(More);%(PreprocessorDefinitions)</PreprocessorDefinitions></ClCompile></ItemDefinitionGroup>
    <ClCompile Include="a.c" /><ClCompile Include="sub\b.cpp"><Optimization>Full</Optimization></ClCompile>
    <ClCompile Include="c.c"><ExcludedFromBuild>true</ExcludedFromBuild></ClCompile>
    <ClCompile Include="d.c"><ExcludedFromBuild Condition="'$(Configuration)|$(Platform)'=='Debug|x64'">true</ExcludedFromBuild></ClCompile>
    <!-- <ClCompile Include="e.c" /> -->
    <ProjectReference Include="..\lib\lib.vcxproj" />)");
  EXPECT_TRUE(file.is_driver);
  EXPECT_EQ(file.sources, (Words{"a.c", "sub\\b.cpp", "d.c"}));
  EXPECT_EQ(file.definitions, (Words{"A=1", "B"}));
  EXPECT_EQ(file.references, (Words{"..\\lib\\lib.vcxproj"}));
}

TEST(ProjectFile, AnApplicationIsNoDriver) {
  EXPECT_FALSE(parse_project("<ConfigurationType>Application</ConfigurationType>").is_driver);
}

TEST(SourcesFile, ContinuesItsLists) {
  const BuildFile file =
      parse_sources_file("TARGETTYPE=DRIVER\r\nC_DEFINES=-DX=1 /DY $(Z)\r\nSOURCES= \\\r\n a.c \\\r\n  b.c\r\n");
  EXPECT_TRUE(file.is_driver);
  EXPECT_EQ(file.sources, (Words{"a.c", "b.c"}));
  EXPECT_EQ(file.definitions, (Words{"X=1", "Y"}));
}

TEST(Includes, AreFoundAsTheCompilerReadsThem) {
  const auto all = includes_of(
      "#include <a.h>\n  # include \"b.h\" // why\n/* #include <c.h>\n#include <d.h>\n*/ #include <e.h>\n"
      "// #include <f.h>\n#include MACRO\n#include <g.h> /* and\n#include <h.h> */\n");
  Words names;
  for (const Include& include : all)
    names.push_back(include.name + (include.quoted ? "\"" : ">"));
  EXPECT_EQ(names, (Words{"a.h>", "b.h\"", "e.h>", "g.h>"}));
}

TEST(IncludePlan, ForwardsWhatIsSpelledOtherwise) {
  const Tree tree, package;
  package.put("ntddk.h", "");
  tree.put("src/a.c",
           "#include <NTDDK.h>\n#include \"..\\Inc\\X.h\"\n#include \"x.h\"\n#include \"a.tmh\"\n#include <stdio.h>\n");
  tree.put("inc/x.h", "#include \"y.H\"\n");
  tree.put("inc/y.h", "");
  const auto sources = find_sources(tree.root(), {});
  ASSERT_TRUE(sources);
  const IncludePlan plan = plan_includes(*sources, {package.root()});
  const std::map<std::string, fs::path> expected = {
      {"NTDDK.h", package / "ntddk.h"}, {"..\\Inc\\X.h", tree / "inc/x.h"}, {"y.H", tree / "inc/y.h"}};
  EXPECT_EQ(plan.forwarded, expected);
  EXPECT_EQ(plan.empty, std::set<std::string>{"a.tmh"});
  EXPECT_EQ(plan.directories, std::vector<fs::path>{tree / "inc"});

  const Tree overlay;
  const fs::path search = write_overlay(plan, overlay.root());
  EXPECT_EQ(text_of(search / "NTDDK.h"), "#include \"" + (package / "ntddk.h").string() + "\"\n");
  EXPECT_TRUE(fs::exists(search / "..\\Inc\\X.h"));
  EXPECT_EQ(text_of(search / "a.tmh"), "");
}

TEST(IncludePlan, TakesTheNearestOfSeveral) {
  const Tree tree;
  tree.put("a/src/a.c", "#include \"common.h\"\n");
  tree.put("a/inc/common.h", "");
  tree.put("b/inc/common.h", "");
  const auto sources = find_sources(tree.root(), {});
  ASSERT_TRUE(sources);
  EXPECT_EQ(plan_includes(*sources, {}).directories, std::vector<fs::path>{tree / "a/inc"});
}

TEST(IncludePlan, KnowsWhoUsesTheCxxLibraryAndWhichSourcesAreIncluded) {
  const Tree tree;
  tree.put("a.cpp", "#include \"deep.h\"\n");
  tree.put("deep.h", "#include <vector>\n#include \"part.c\"\n");
  tree.put("part.c", "");
  tree.put("b.cpp", "#include <ntddk.h>\n");
  const auto sources = find_sources(tree.root(), {});
  ASSERT_TRUE(sources);
  const IncludePlan plan = plan_includes(*sources, {});
  EXPECT_TRUE(plan.uses_cxx_library.contains(tree / "a.cpp"));
  EXPECT_FALSE(plan.uses_cxx_library.contains(tree / "b.cpp"));
  EXPECT_EQ(plan.included_sources, std::set<fs::path>{tree / "part.c"});
}

TEST(SourceTree, AsksWhichOfTwoDrivers) {
  const Tree tree;
  for (const char* const name : {"one", "two"}) {
    tree.put(std::string(name) + "/p.vcxproj",
             "<ConfigurationType>Driver</ConfigurationType><ClCompile Include=\"A.C\" />");
    tree.put(std::string(name) + "/a.c", "");
  }
  const auto both = find_sources(tree.root(), {});
  ASSERT_FALSE(both);
  EXPECT_EQ(both.error().exit_code, ExitCode::usage);
  SourceChoice choice;
  choice.build_file = tree / "two/p.vcxproj";
  const auto one = find_sources(tree.root(), choice);
  ASSERT_TRUE(one);
  EXPECT_EQ(one->sources, std::vector<fs::path>{tree / "two/a.c"});
}

TEST(Package, IsWhereverItWasMovedTo) {
  const std::string text =
      "prefix=/usr/local\nincludedir=${prefix}/include\nName: softndk\n"
      "Cflags: -I${includedir}/softndk/wdk -fshort-wchar\nLibs: -L${prefix}/lib -lsoftndk\n";
  const Package package = parse_package(text, "/opt/x");
  EXPECT_EQ(package.compile_flags, (Words{"-I/opt/x/include/softndk/wdk", "-fshort-wchar"}));
  EXPECT_EQ(package.link_flags, (Words{"-L/opt/x/lib", "-lsoftndk"}));
  EXPECT_EQ(package.include_directories, std::vector<fs::path>{"/opt/x/include/softndk/wdk"});
  EXPECT_EQ(parse_package(text, "").link_flags.front(), "-L/usr/local/lib");
}

TEST(MissingNames, AreReadFromGccClangAndLd) {
  using Kind = MissingName::Kind;
  const auto names = missing_names(
      "a.c:3:10: fatal error: x.h: No such file or directory\n"
      "a.c:4:1: error: implicit declaration of function \xe2\x80\x98IoA\xe2\x80\x99 [-W]\n"
      "a.c:5:1: \x1b[01;31m\x1b[Kerror: \x1b[m\x1b[K\xe2\x80\x98\x1b[01m\x1b[KB\x1b[m\x1b[K\xe2\x80\x99 undeclared "
      "(first use)\n"
      "a.c:6:1: error: unknown type name 'C'\na.cpp:7:1: error: use of undeclared identifier 'D'\n"
      "a.c:8:1: error: 'struct S' has no member named 'E'\n"
      "ld: a.c:9: undefined reference to `F'\nld: a.c:9: undefined reference to `F'\n");
  const std::vector<MissingName> expected = {
      {Kind::header, "x.h"},   {Kind::identifier, "IoA"}, {Kind::identifier, "B"}, {Kind::identifier, "C"},
      {Kind::identifier, "D"}, {Kind::member, "E"},       {Kind::symbol, "F"}};
  EXPECT_EQ(names, expected);
}

TEST(Hints, SayTierHeaderAndWhetherWeHaveIt) {
  const Tree tree;
  tree.put("table.tsv", "# comment\nIoHave\t2\twdm.h\tfunction\tyes\nIoHaveNot\t3\tntifs.h\tfunction\tno\n");
  tree.put("include/wdm.h", "#define IoMacro(x) x\n");
  Package package;
  package.surface_table = tree / "table.tsv";
  package.include_directories = {tree / "include"};
  const Hints hints(package);
  const auto about = [&](const char* name) {
    return hints.about({MissingName::Kind::identifier, name}).value_or("nothing");
  };
  EXPECT_EQ(about("IoHaveNot"),
            "IoHaveNot is a tier 3 name of the Windows kernel, of <ntifs.h>; SoftNDK does not provide it");
  EXPECT_EQ(about("IoHave"), "IoHave is in <wdm.h>: nothing that is included here leads to it");
  EXPECT_EQ(about("IoMacro"), "IoMacro is in <wdm.h>: nothing that is included here leads to it");
  EXPECT_EQ(about("IoUnknown"),
            "IoUnknown looks like a name of the Windows kernel; SoftNDK does not provide it (no tier)");
  EXPECT_EQ(about("my_function"), "nothing");
}

}  // namespace
}  // namespace softndk::tools
