#include "tools/ndkrun/build_files.h"

#include <regex>
#include <sstream>

namespace softndk::tools {
namespace {

using Match = std::sregex_iterator;

std::string without_comments(const std::string& text) {
  static const std::regex comment("<!--[\\s\\S]*?-->");
  return std::regex_replace(text, comment, "");
}

/// What holds for the free x64 build: no condition, or one that names it.
bool applies(const std::string& attributes) {
  if (attributes.find("Condition") == std::string::npos) return true;
  return attributes.find("Release|x64") != std::string::npos;
}

void add_definitions(const std::string& list, std::vector<std::string>& to) {
  std::istringstream stream(list);
  for (std::string one; std::getline(stream, one, ';');) {
    const std::size_t first = one.find_first_not_of(" \t\r\n");
    if (first == std::string::npos) continue;
    one = one.substr(first, one.find_last_not_of(" \t\r\n") - first + 1);
    if (one.find_first_of("%$") == std::string::npos) to.push_back(one);
  }
}

}  // namespace

BuildFile parse_project(const std::string& original) {
  BuildFile file;
  const std::string text = without_comments(original);
  static const std::regex type("<ConfigurationType>\\s*Driver\\s*</ConfigurationType>");
  file.is_driver = std::regex_search(text, type);

  static const std::regex source("<ClCompile\\s+Include=\"([^\"]+)\"\\s*(/>|>([\\s\\S]*?)</ClCompile>)");
  static const std::regex excluded("<ExcludedFromBuild([^>]*)>\\s*true\\s*</ExcludedFromBuild>");
  for (Match at(text.begin(), text.end(), source); at != Match(); ++at) {
    const std::string inner = (*at)[3];
    std::smatch exclusion;
    if (std::regex_search(inner, exclusion, excluded) && applies(exclusion[1])) continue;
    file.sources.push_back((*at)[1]);
  }
  static const std::regex reference("<ProjectReference\\s+Include=\"([^\"]+)\"");
  for (Match at(text.begin(), text.end(), reference); at != Match(); ++at)
    file.references.push_back((*at)[1]);

  static const std::regex group("<ItemDefinitionGroup([^>]*)>([\\s\\S]*?)</ItemDefinitionGroup>");
  static const std::regex compile("<ClCompile>([\\s\\S]*?)</ClCompile>");
  static const std::regex definitions("<PreprocessorDefinitions([^>]*)>([\\s\\S]*?)</PreprocessorDefinitions>");
  for (Match at(text.begin(), text.end(), group); at != Match(); ++at) {
    if (!applies((*at)[1])) continue;
    const std::string inner = (*at)[2];
    for (Match in(inner.begin(), inner.end(), compile); in != Match(); ++in) {
      const std::string options = (*in)[1];
      for (Match one(options.begin(), options.end(), definitions); one != Match(); ++one)
        if (applies((*one)[1])) add_definitions((*one)[2], file.definitions);
    }
  }
  return file;
}

BuildFile parse_sources_file(const std::string& text) {
  BuildFile file;
  std::string joined = std::regex_replace(text, std::regex("\\\\[ \\t]*\\r?\\n"), " ");
  std::istringstream lines(joined);
  static const std::regex list("^\\s*(SOURCES|C_DEFINES|TARGETTYPE)\\s*=\\s*(.*?)\\s*$", std::regex::icase);
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!std::regex_match(line, match, list)) continue;
    std::istringstream words(match[2]);
    const std::string key = match[1];
    for (std::string word; words >> word;) {
      if (key == "TARGETTYPE") file.is_driver = word == "DRIVER" || word == "DRIVER_LIBRARY";
      if (key == "SOURCES" && word.find('$') == std::string::npos) file.sources.push_back(word);
      if (key == "C_DEFINES" && (word.starts_with("-D") || word.starts_with("/D")))
        file.definitions.push_back(word.substr(2));
    }
  }
  return file;
}

}  // namespace softndk::tools
