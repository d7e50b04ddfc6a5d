// fuse_corpus DIR - writes one file a sample request, as decode_fuzz wants them.
#include "support/fuse/frames.hh"

#include <filesystem>
#include <fstream>
#include <iostream>

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: fuse_corpus DIR\n";
        return 2;
    }
    const std::filesystem::path directory(argv[1]);
    std::filesystem::create_directories(directory);
    for (const puffs::fuse::test::sample& s : puffs::fuse::test::samples()) {
        std::ofstream file(directory / s.label, std::ios::binary);
        file.put('\0');
        file.write(reinterpret_cast<const char*>(s.frame.data()),
                   static_cast<std::streamsize>(s.frame.size()));
        if (!file.flush()) {
            std::cerr << "cannot write " << directory / s.label << '\n';
            return 1;
        }
    }
    return 0;
}
