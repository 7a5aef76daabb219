#pragma once
#include <map>
#include <stdexcept>
#include <string>
#include <utility>

namespace assay {

/// The extension points' one mechanism: T has a static `kind` name; entries are added at the foot of their own file.
template <class T>
class Registry {
 public:
  static const std::map<std::string, T>& all() { return entries(); }
  static const T* find(const std::string& name) {
    const auto it = entries().find(name);
    return it == entries().end() ? nullptr : &it->second;
  }
  struct Add {
    Add(std::string name, T entry) {
      if (!entries().emplace(name, std::move(entry)).second) throw std::logic_error("registered twice: " + name);
    }
  };

 private:
  static std::map<std::string, T>& entries() {
    static std::map<std::string, T> map;
    return map;
  }
};

}  // namespace assay
