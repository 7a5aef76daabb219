#include "data/npy.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "assay/source.hpp"
#include "data/mutate.hpp"
#include "temp_dir.hpp"
#include "thrown.hpp"

namespace assay {
namespace {
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using namespace std::string_literals;

template <class T>
std::string npy(const std::vector<std::int64_t>& shape, const std::vector<T>& values) {
  return npy_bytes(npy_dtype<T>(), shape, values.data(), values.size() * sizeof(T));
}

/// A file with this header text, unpadded, as other writers may make it.
std::string npy_with_header(char version, const std::string& header, const std::string& data) {
  std::string file = "\x93NUMPY"s + version + '\0';
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) file += static_cast<char>(header.size() >> (8 * i) & 0xff);
  return file + header + data;
}

class Npy : public ::testing::Test {
 protected:
  NpyArray read(const std::string& bytes) {
    write_file(dir_.path() / "a.npy", bytes);
    return read_npy(dir_.path() / "a.npy");
  }
  DataSet load(const std::string& images, const std::string& labels) {
    write_file(dir_.path() / "images.npy", images);
    write_file(dir_.path() / "labels.npy", labels);
    return load_data("npy:" + dir_.path().string(), {});
  }

  TempDir dir_;
  const std::string images_ = npy<std::uint8_t>({2, 1, 2}, {1, 2, 3, 4});
  const std::string labels_ = npy<std::uint8_t>({2}, {0, 1});
};

// Expected bytes: numpy 2.4.6, numpy.save of the arrays named.
TEST_F(Npy, WritesAnArrayAsNumpyDoes) {  // np.array([[0, 1, 2]], '<f4')
  const std::string expected = "\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }"s +
                               std::string(58, ' ') + "\n\0\0\0\0\0\0\x80\x3f\0\0\0\x40"s;
  EXPECT_EQ(npy<float>({1, 3}, {0, 1, 2}), expected);
}

TEST_F(Npy, WritesAScalarAsNumpyDoes) {  // np.array(0, '<i8')
  const std::string expected = "\x93NUMPY\x01\x00v\x00{'descr': '<i8', 'fortran_order': False, 'shape': (), }"s +
                               std::string(62, ' ') + "\n" + std::string(8, '\0');
  EXPECT_EQ(npy<std::int64_t>({}, {0}), expected);
}

TEST_F(Npy, WritesRecordsAsNumpyDoes) {  // np.zeros(2, [('index', '<i8'), ('label', '<i4')])
  const std::string descr = "[('index', '<i8'), ('label', '<i4')]";
  const std::string expected = "\x93NUMPY\x01\x00v\x00{'descr': "s + descr +
                               ", 'fortran_order': False, 'shape': (2,), }" + std::string(29, ' ') + "\n" +
                               std::string(24, '\0');
  EXPECT_EQ(npy_bytes(descr, {2}, std::string(24, '\0').data(), 24), expected);
}

TEST_F(Npy, HeaderEndsOnAMultipleOf64WhateverItsLength) {
  for (std::size_t name = 1; name < 140; ++name) {
    const std::string header = npy_header("[('" + std::string(name, 'x') + "', '<i8')]", {7});
    EXPECT_EQ(header.size() % 64, 0u) << name;
    EXPECT_EQ(10u + static_cast<unsigned char>(header[8]) + 256u * static_cast<unsigned char>(header[9]),
              header.size());
  }
}

TEST_F(Npy, FileOnDiskHasTheBytesOfTheOneInMemory) {
  const std::vector<float> values = {1, 2};
  write_npy(dir_.path() / "a.npy", "<f4", {2}, values.data(), 8);
  EXPECT_EQ(read_file(dir_.path() / "a.npy"), npy<float>({2}, values));
}

TEST_F(Npy, WriterRefusesDataOfAnotherSize) {
  EXPECT_ERROR(npy_bytes("<f4", {2}, "1234567", 7), ExitCode::internal,
               "7 bytes of data do not make shape (2,) of <f4");
  EXPECT_ERROR(npy_bytes("[('a', '<i4')]", {2}, "1234567", 7), ExitCode::internal, HasSubstr("7 bytes of data"));
}

TEST_F(Npy, WriterSaysWhyItCannotWrite) {
  EXPECT_ERROR(write_npy(dir_.path() / "none" / "a.npy", "|u1", {1}, "x", 1), ExitCode::cannot_write,
               "cannot write '" + (dir_.path() / "none" / "a.npy").string() + "': No such file or directory");
}

TEST_F(Npy, WriterNoticesAFullDisk) {
  EXPECT_ERROR(write_npy("/dev/full", "|u1", {1}, "x", 1), ExitCode::cannot_write,
               "cannot write '/dev/full': No space left on device");
}

TEST_F(Npy, ReadsBackWhatItWrote) {
  const NpyArray array = read(npy<double>({2, 1, 2}, {0.1, -2, 3e300, 4}));
  EXPECT_EQ(array.dtype, "<f8");
  EXPECT_THAT(array.shape, ElementsAre(2, 1, 2));
  EXPECT_EQ(array.size(), 4);
  EXPECT_THAT(array.values<double>(), ElementsAre(0.1, -2, 3e300, 4));
}

TEST_F(Npy, ReadsAScalar) {
  EXPECT_THAT(read(npy<std::int32_t>({}, {7})).values<std::int32_t>(), ElementsAre(7));
}

TEST_F(Npy, ReadsAnEmptyArray) {
  EXPECT_EQ(read(npy<float>({3, 0}, {})).size(), 0);
}

TEST_F(Npy, ReadsVersions1To3) {
  for (const char version : {'\1', '\2', '\3'}) {
    const NpyArray array =
        read(npy_with_header(version, "{'descr': '<u2', 'fortran_order': False, 'shape': (2,)}", "\1\0\2\0"s));
    EXPECT_THAT(array.values<std::uint16_t>(), ElementsAre(1, 2));
  }
}

TEST_F(Npy, ReadsKeysInAnyOrderAndQuotes) {
  const NpyArray array =
      read(npy_with_header(1, "{\"shape\":(2,1) ,\n \"descr\" :\"u1\",'fortran_order':False , } \n", "ab"));
  EXPECT_EQ(array.dtype, "|u1");
  EXPECT_THAT(array.shape, ElementsAre(2, 1));
}

TEST_F(Npy, ReadsTheLongIntegersOfPython2) {
  EXPECT_THAT(read(npy_with_header(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (2L,)}", "ab")).shape,
              ElementsAre(2));
}

TEST_F(Npy, ByteOrderOfASingleByteDoesNotMatter) {
  EXPECT_EQ(read(npy_with_header(1, "{'descr': '>u1', 'fortran_order': False, 'shape': ()}", "a")).dtype, "|u1");
}

TEST_F(Npy, ValuesOfAnotherTypeAreRefused) {
  const NpyArray array = read(npy<float>({1}, {1}));
  EXPECT_ERROR(array.values<std::int32_t>(), ExitCode::internal, "an array of dtype '<f4' was read as '<i4'");
}

TEST_F(Npy, MissingFileIsNamed) {
  EXPECT_ERROR(read_npy(dir_.path() / "a.npy"), ExitCode::input,
               "'" + (dir_.path() / "a.npy").string() + "' does not exist");
}

TEST_F(Npy, FolderIsNotAFile) {
  EXPECT_ERROR(read_npy(dir_.path()), ExitCode::input, EndsWith("is not a regular file"));
}

TEST_F(Npy, ForeignFileShowsItsFirstBytes) {
  EXPECT_ERROR(read("PK\3\4 and more"), ExitCode::input,
               EndsWith("is not an .npy file: it begins with 50 4b 03 04 20 61; expected 93 4e 55 4d 50 59"));
  EXPECT_ERROR(read(""), ExitCode::input, HasSubstr("begins with nothing"));
}

TEST_F(Npy, UnknownVersionIsRefused) {
  EXPECT_ERROR(read(npy_with_header(4, "{}", "")), ExitCode::input,
               EndsWith("has .npy version 4.0; expected 1.0, 2.0 or 3.0"));
}

TEST_F(Npy, BigEndianIsRefused) {
  const auto call = [&] { read(npy_with_header(1, "{'descr': '>f4', 'fortran_order': False, 'shape': ()}", "abcd")); };
  EXPECT_ERROR(call(), ExitCode::input, HasSubstr("has dtype '>f4', big-endian; expected a little-endian"));
  EXPECT_THAT(thrown_by(call).hint(), HasSubstr("newbyteorder('<')"));
}

TEST_F(Npy, FortranOrderIsRefused) {
  const auto call = [&] { read(npy_with_header(1, "{'descr': '|u1', 'fortran_order': True, 'shape': (1,)}", "a")); };
  EXPECT_ERROR(call(), ExitCode::input, EndsWith("is in Fortran order; expected C order"));
  EXPECT_THAT(thrown_by(call).hint(), HasSubstr("np.ascontiguousarray"));
}

TEST_F(Npy, ObjectsAreRefused) {
  EXPECT_ERROR(read(npy_with_header(1, "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "a")), ExitCode::input,
               HasSubstr("has dtype '|O', pickled Python objects; expected"));
}

TEST_F(Npy, UnsupportedTypesAreRefused) {
  for (const std::string type : {"<c8", "<U3", "<f16", "|V2", "<M8[ns]", "", "<", "<f4x", "<i3"}) {
    EXPECT_ERROR(read(npy_with_header(1, "{'descr': '" + type + "', 'fortran_order': False, 'shape': ()}", "12345678")),
                 ExitCode::input, HasSubstr("has dtype '" + type + "'; expected"));
  }
}

TEST_F(Npy, RecordsAreRefused) {
  EXPECT_ERROR(read(npy_bytes("[('a', '<i4'), ('b]', '<f4', (2,))]", {1}, "0123456789ab", 12)), ExitCode::input,
               HasSubstr("has records of dtype [('a', '<i4'), ('b]', '<f4', (2,))]; expected"));
}

TEST_F(Npy, ControlCharactersOfAFileStayOutOfMessages) {
  EXPECT_ERROR(read(npy_with_header(1, "{'descr': '\x1b[31m', 'fortran_order': False, 'shape': ()}", "")),
               ExitCode::input, HasSubstr("has dtype '?[31m'; expected"));
}

TEST_F(Npy, TruncationIsToldInBytes) {
  std::string bytes = npy<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  bytes.resize(bytes.size() - 5);
  EXPECT_ERROR(read(bytes), ExitCode::input,
               EndsWith("is truncated: found 19 bytes of data; expected 24 for shape (2, 3) of '<f4'"));
}

TEST_F(Npy, TrailingBytesAreToldInBytes) {
  EXPECT_ERROR(read(npy<float>({2}, {1, 2}) + "x"), ExitCode::input,
               EndsWith("has trailing bytes: found 9 bytes of data; expected 8 for shape (2,) of '<f4'"));
}

TEST_F(Npy, HeaderLongerThanTheFileIsRefusedBeforeMemoryIsTaken) {
  EXPECT_ERROR(read("\x93NUMPY\2\0\xff\xff\xff\xff{}"s), ExitCode::input,
               EndsWith("is truncated: 2 bytes follow, but its header alone should have 4294967295"));
}

TEST_F(Npy, EndWithinTheVersionIsRefused) {
  EXPECT_ERROR(read("\x93NUMPY\1"s), ExitCode::input, EndsWith("is truncated: it ends within the .npy version"));
}

TEST_F(Npy, HugeShapeIsRefusedBeforeMemoryIsTaken) {
  EXPECT_ERROR(
      read(npy_header("<f8", {1 << 30, 1 << 29})), ExitCode::input,
      EndsWith("found 0 bytes of data; expected 4611686018427387904 for shape (1073741824, 536870912) of '<f8'"));
}

TEST_F(Npy, ShapeBeyond63BitsIsRefusedEvenWithAZero) {
  EXPECT_ERROR(read(npy_header("<f8", {std::numeric_limits<std::int64_t>::max(), 2, 0})), ExitCode::input,
               EndsWith("has shape (9223372036854775807, 2, 0) of '<f8'; expected fewer than 2**63 bytes"));
}

TEST_F(Npy, MalformedHeadersSayWhatWasExpectedWhere) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "expected '{' at character 0, found ''"},
      {"{'descr': '<f4'", "expected '}' at character 15"},
      {"{'descr': '<f4}", "expected the end of a string without escapes"},
      {"{'descr': 4}", "expected a quoted string at character 10, found '4}'"},
      {"{'descr': [('a', '<f4'}", "expected a closing bracket"},
      {"{'descr': '<f4', 'descr': '<f4'}", "expected each key once"},
      {"{'order': 1}", "expected one of the keys descr, fortran_order, shape"},
      {"{'fortran_order': 0}", "expected True or False at character 18, found '0}'"},
      {"{'shape': 3}", "expected '('"},
      {"{'shape': (3)}", "expected a tuple such as (3,)"},
      {"{'shape': (3 4)}", "expected ',' or ')'"},
      {"{'shape': (-3,)}", "expected a non-negative integer at character 11, found '-3,)}'"},
      {"{'shape': (9223372036854775808,)}", "expected an integer below 2**63"},
      {"{'descr': '<f4', 'shape': ()}", "expected the keys descr, fortran_order and shape"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': ()} x", "expected nothing after the '}'"},
  };
  for (const auto& [header, expected] : cases) {
    EXPECT_ERROR(read(npy_with_header(1, header, "1234")), ExitCode::input,
                 AllOf(HasSubstr("has an .npy header that cannot be parsed: "), HasSubstr(expected)));
  }
}

TEST_F(Npy, DeepNestingDoesNotExhaustTheStack) {
  EXPECT_ERROR(read(npy_with_header(2, "{'descr': " + std::string(1000000, '['), "")), ExitCode::input,
               HasSubstr("expected a closing bracket"));
}

TEST_F(Npy, SourceReadsGrayBytes) {
  const DataSet data = load(images_, labels_);
  EXPECT_EQ(data.n, 2);
  EXPECT_EQ(data.c, 1);
  EXPECT_EQ(data.h, 1);
  EXPECT_EQ(data.w, 2);
  EXPECT_THAT(data.bytes, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(data.floats, ElementsAre());
  EXPECT_THAT(data.labels, ElementsAre(0, 1));
}

TEST_F(Npy, SourceMakesInterleavedBytesPlanar) {
  const DataSet data = load(npy<std::uint8_t>({2, 1, 2, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}), labels_);
  EXPECT_EQ(data.c, 3);
  EXPECT_THAT(data.bytes, ElementsAre(1, 4, 2, 5, 3, 6, 7, 10, 8, 11, 9, 12));
}

TEST_F(Npy, SourceReadsPlanarFloats) {
  const DataSet data = load(npy<float>({2, 3, 1, 1}, {0, 0.5, 1, 0.25, -0.0f, 1}), labels_);
  EXPECT_EQ(data.c, 3);
  EXPECT_EQ(data.h, 1);
  EXPECT_EQ(data.w, 1);
  EXPECT_THAT(data.bytes, ElementsAre());
  EXPECT_THAT(data.floats, ElementsAre(0, 0.5, 1, 0.25, 0, 1));
}

TEST_F(Npy, SourceReadsLabelsOfEveryIntegerType) {
  EXPECT_THAT(load(images_, npy<std::int8_t>({2}, {0, 127})).labels, ElementsAre(0, 127));
  EXPECT_THAT(load(images_, npy<std::uint16_t>({2}, {0, 65535})).labels, ElementsAre(0, 65535));
  EXPECT_THAT(load(images_, npy<std::int16_t>({2}, {0, 300})).labels, ElementsAre(0, 300));
  EXPECT_THAT(load(images_, npy<std::uint32_t>({2}, {0, 300})).labels, ElementsAre(0, 300));
  EXPECT_THAT(load(images_, npy<std::int32_t>({2}, {0, 300})).labels, ElementsAre(0, 300));
  EXPECT_THAT(load(images_, npy<std::uint64_t>({2}, {0, 300})).labels, ElementsAre(0, 300));
  EXPECT_THAT(load(images_, npy<std::int64_t>({2}, {0, 300})).labels, ElementsAre(0, 300));
}

TEST_F(Npy, SourceCountsClassesByTheLargestLabel) {
  const DataSet data = load(images_, npy<std::int64_t>({2}, {6, 0}));
  EXPECT_EQ(data.classes, 7);
  EXPECT_FALSE(data.classes_known);
}

TEST_F(Npy, SourceRefusesLabelsThatDoNotFit) {
  EXPECT_ERROR(load(images_, npy<std::int32_t>({2}, {0, -1})), ExitCode::input,
               EndsWith("labels.npy' has label -1 at index 1; expected 0..65535"));
  EXPECT_ERROR(load(images_, npy<std::uint64_t>({2}, {18446744073709551615u, 0})), ExitCode::input,
               EndsWith("labels.npy' has label 18446744073709551615 at index 0; expected 0..65535"));
}

TEST_F(Npy, LabelsOfAPartAreChecked) {
  std::vector<std::int64_t> labels(100, 7);
  labels[3] = 65535;
  labels[60] = 300;
  labels[90] = 65536;
  labels[95] = -5;
  write_file(dir_.path() / "many.npy", npy<std::int64_t>({100}, labels));
  const MappedNpy array(dir_.path() / "many.npy");
  std::vector<std::uint16_t> part(60);
  EXPECT_EQ(read_labels(array, 30, part), 300);
  EXPECT_EQ(part[29], 7);
  EXPECT_EQ(part[30], 300);
  EXPECT_EQ(read_labels(array, 0, part), 65535);
  EXPECT_ERROR(read_labels(array, 40, part, "group"), ExitCode::input,
               EndsWith("many.npy' has group 65536 at index 90; expected 0..65535"));
  part.resize(9);
  EXPECT_ERROR(read_labels(array, 91, part), ExitCode::input,
               EndsWith("many.npy' has label -5 at index 95; expected 0..65535"));
}

TEST_F(Npy, SourceRefusesLabelsThatAreNotIntegers) {
  EXPECT_ERROR(load(images_, npy<float>({2}, {0, 1})), ExitCode::input,
               EndsWith("labels.npy' has dtype '<f4'; expected an integer type"));
}

TEST_F(Npy, SourceRefusesOneHotLabels) {
  EXPECT_ERROR(load(images_, npy<std::uint8_t>({2, 2}, {0, 1, 1, 0})), ExitCode::input,
               EndsWith("labels.npy' has shape (2, 2); expected one dimension, a label an image"));
}

TEST_F(Npy, SourceRefusesAnotherNumberOfLabels) {
  EXPECT_ERROR(load(images_, npy<std::uint8_t>({3}, {0, 1, 1})), ExitCode::input,
               EndsWith("found 3 labels for 2 images; expected one label an image"));
}

TEST_F(Npy, SourceReadsFourChannels) {
  const std::string label = npy<std::uint8_t>({1}, {0});
  EXPECT_THAT(load(npy<std::uint8_t>({1, 1, 2, 4}, {1, 2, 3, 4, 5, 6, 7, 8}), label).bytes,
              ElementsAre(1, 5, 2, 6, 3, 7, 4, 8));
  const DataSet floats = load(npy<float>({1, 4, 1, 2}, {0, 0, 0, 0, 0, 0, 1, 0}), label);
  EXPECT_EQ(floats.c, 4);
  EXPECT_EQ(floats.floats[6], 1.f);
}

TEST_F(Npy, SourceRefusesOtherChannels) {
  const auto call = [&] { load(npy<std::uint8_t>({1, 1, 1, 5}, {1, 2, 3, 4, 5}), npy<std::uint8_t>({1}, {0})); };
  EXPECT_ERROR(call(), ExitCode::input,
               EndsWith("images.npy' has 5 channels in shape (1, 1, 1, 5) of |u1; expected 1, 3 or 4 channels"));
  EXPECT_EQ(thrown_by(call).hint(), "uint8 images are N x H x W x C");
}

TEST_F(Npy, SourceRefusesInterleavedFloats) {
  const auto call = [&] { load(npy<float>({1, 1, 2, 3}, {0, 0, 0, 0, 0, 0}), npy<std::uint8_t>({1}, {0})); };
  EXPECT_NO_THROW(call());  // one channel of 2 x 3: nothing tells it from the other layout
  const auto wider = [&] { load(npy<float>({1, 2, 1, 3}, {0, 0, 0, 0, 0, 0}), npy<std::uint8_t>({1}, {0})); };
  EXPECT_ERROR(wider(), ExitCode::input,
               EndsWith("has 2 channels in shape (1, 2, 1, 3) of <f4; expected 1, 3 or 4 channels"));
  EXPECT_EQ(thrown_by(wider).hint(), "float32 images are N x C x H x W");
}

TEST_F(Npy, SourceRefusesPixelsOutOfRange) {
  const auto call = [&] { load(npy<float>({2, 1, 1, 2}, {0, 1, 0, 1.5}), labels_); };
  EXPECT_ERROR(call(), ExitCode::input, EndsWith("images.npy' has value 1.5 at index [1, 0, 0, 1]; expected [0, 1]"));
  EXPECT_THAT(thrown_by(call).hint(), HasSubstr("divide by 255"));
  EXPECT_ERROR(load(npy<float>({2, 1, 1, 2}, {0, 1, -1, 0}), labels_), ExitCode::input,
               HasSubstr("has value -1 at index [1, 0, 0, 0]"));
}

TEST_F(Npy, SourceRefusesNotANumber) {
  EXPECT_ERROR(load(npy<float>({2, 1, 1, 1}, {0, std::numeric_limits<float>::quiet_NaN()}), labels_), ExitCode::input,
               EndsWith("images.npy' has value nan at index [1, 0, 0, 0]; expected [0, 1]"));
}

TEST_F(Npy, SourceRefusesOtherTypes) {
  EXPECT_ERROR(load(npy<double>({2, 1, 1, 1}, {0, 1}), labels_), ExitCode::input,
               EndsWith("images.npy' has dtype '<f8'; expected '|u1' (N x H x W [x C]) or '<f4' (N x C x H x W)"));
}

TEST_F(Npy, SourceRefusesOtherShapes) {
  EXPECT_ERROR(load(npy<std::uint8_t>({2, 1}, {1, 2}), labels_), ExitCode::input,
               EndsWith("images.npy' has |u1 of shape (2, 1); expected N x H x W or N x H x W x C"));
  EXPECT_ERROR(load(npy<float>({2, 1, 1}, {1, 1}), labels_), ExitCode::input,
               EndsWith("images.npy' has <f4 of shape (2, 1, 1); expected N x C x H x W"));
}

TEST_F(Npy, SourceRefusesNoImages) {
  EXPECT_ERROR(load(npy<std::uint8_t>({0, 1, 1}, {}), npy<std::uint8_t>({0}, {})), ExitCode::input,
               EndsWith("found 0 images; expected at least one"));
}

TEST_F(Npy, SourceRefusesImagesWithoutPixels) {
  EXPECT_ERROR(load(npy<std::uint8_t>({2, 0, 3}, {}), labels_), ExitCode::input,
               EndsWith("found images of 1 x 0 x 3 (C x H x W); expected at least one pixel"));
}

TEST_F(Npy, ImagesAreTheFirstOfTheirFile) {
  const auto read_as = [&](const std::string& bytes) {
    write_file(dir_.path() / "x.npy", bytes);
    return read_images(dir_.path() / "x.npy", {2, 1, 1, 2});
  };
  EXPECT_THAT(read_as(npy<float>({2, 1, 1, 2}, {0, 1, 0.5, 0.25})), ElementsAre(0, 1, 0.5, 0.25));
  EXPECT_THAT(read_as(npy<float>({3, 1, 1, 2}, {0, 1, 0.5, 0.25, 1, 1})), ElementsAre(0, 1, 0.5, 0.25));
  const std::vector<float> four(4), two(2);
  for (const auto& [file, found] : {std::pair{npy<float>({1, 1, 1, 2}, two), "shape (1, 1, 1, 2) of '<f4'"},
                                    {npy<float>({2, 1, 2, 1}, four), "shape (2, 1, 2, 1) of '<f4'"},
                                    {npy<float>({2, 2}, four), "shape (2, 2) of '<f4'"},
                                    {npy<float>({}, {1}), "shape () of '<f4'"},
                                    {npy<double>({2, 1, 1, 2}, {0, 0, 0, 0}), "shape (2, 1, 1, 2) of '<f8'"}})
    EXPECT_ERROR(read_as(file), ExitCode::input,
                 EndsWith("x.npy' has "s + found + "; expected (2, 1, 1, 2) of '<f4', or more images"));
  EXPECT_ERROR(read_as(npy<float>({2, 1, 1, 2}, {0, 1, 0, 1.5})), ExitCode::input,
               EndsWith("x.npy' has value 1.5 at index [1, 0, 0, 1]; expected [0, 1]"));
  EXPECT_ERROR(read_as(npy<float>({2, 1, 1, 2}, {0, std::numeric_limits<float>::quiet_NaN(), 0, 0})), ExitCode::input,
               EndsWith("x.npy' has value nan at index [0, 0, 0, 1]; expected [0, 1]"));
}

TEST_F(Npy, SourceNamesTheMissingFile) {
  write_file(dir_.path() / "images.npy", images_);
  EXPECT_ERROR(load_data("npy:" + dir_.path().string(), {}), ExitCode::input,
               "'" + (dir_.path() / "labels.npy").string() + "' does not exist");
}

TEST_F(Npy, DamagedFilesLoadOrThrowAnError) {
  const std::vector<std::string> valid = {
      images_, npy<float>({2, 3, 1, 1}, {0, 0.5, 1, 0.25, 0, 1}), npy<std::uint8_t>({2, 1, 1, 3}, {1, 2, 3, 4, 5, 6}),
      npy_with_header(2, "{'descr':'|u1','fortran_order':False,'shape':(2,1,1)}", "ab"),
      npy_bytes("[('a', '<i4')]", {2}, "01234567", 8)};
  Lcg random(1);
  int loaded = 0;
  for (int round = 0; round < 4000; ++round) {
    const std::string& images = valid[random.below(valid.size())];
    const bool damage_labels = random.below(4) == 0;
    try {
      loaded += load(damage_labels ? images : mutated(images, 80, random),
                     damage_labels ? mutated(labels_, 80, random) : labels_)
                    .n == 2;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::input) << error.what();
    }
  }
  EXPECT_GT(loaded, 0);  // else the damage is too coarse to reach behind the header
}

}  // namespace
}  // namespace assay
