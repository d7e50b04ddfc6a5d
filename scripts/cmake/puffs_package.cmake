# The library that users see: one static archive of all layers below the daemon, with its public headers, a CMake package
# (find_package(puffs), target puffs::puffs) and a pkg-config file.
include(CMakePackageConfigHelpers)

# puffs_package() - call after the layers and before what links the library.
function(puffs_package)
  get_property(layers GLOBAL PROPERTY PUFFS_LAYERS)
  if(NOT layers)
    return()
  endif()
  add_library(puffs STATIC)
  add_library(puffs::puffs ALIAS puffs)
  foreach(layer IN LISTS layers)
    target_sources(puffs PRIVATE $<TARGET_OBJECTS:${layer}>)
    get_target_property(headers ${layer} HEADER_SET)
    get_target_property(base_dir ${layer} PUFFS_BASE_DIR)
    get_target_property(layer_libs ${layer} PUFFS_LIBS)
    if(headers)
      list(APPEND all_headers ${headers})
    endif()
    list(APPEND base_dirs ${base_dir})
    list(APPEND libs ${layer_libs})
  endforeach()
  list(REMOVE_DUPLICATES base_dirs)
  list(REMOVE_DUPLICATES libs)
  set_target_properties(puffs PROPERTIES LINKER_LANGUAGE CXX)
  target_sources(puffs PUBLIC FILE_SET HEADERS BASE_DIRS ${base_dirs} FILES ${all_headers})
  target_compile_features(puffs PUBLIC cxx_std_23)
  target_link_libraries(puffs PUBLIC ${libs})
  if(PUFFS_RACE_POINTS) # inline functions of the headers depend on it
    target_compile_definitions(puffs PUBLIC PUFFS_RACE_POINTS=1)
    set(PUFFS_PC_CFLAGS "-DPUFFS_RACE_POINTS=1")
  endif()
  if(PUFFS_SANITIZE)
    target_link_options(puffs PUBLIC -fsanitize=${PUFFS_SANITIZE})
    set(PUFFS_PC_LIBS "-fsanitize=${PUFFS_SANITIZE}")
  endif()

  install(TARGETS puffs EXPORT puffs FILE_SET HEADERS ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  set(cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/puffs)
  install(EXPORT puffs NAMESPACE puffs:: FILE puffsTargets.cmake DESTINATION ${cmake_dir})
  configure_package_config_file(
    ${PROJECT_SOURCE_DIR}/scripts/cmake/puffsConfig.cmake.in ${PROJECT_BINARY_DIR}/puffsConfig.cmake
    INSTALL_DESTINATION ${cmake_dir})
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/puffsConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
  install(FILES ${PROJECT_BINARY_DIR}/puffsConfig.cmake ${PROJECT_BINARY_DIR}/puffsConfigVersion.cmake
    DESTINATION ${cmake_dir})
  # Relative, so that a copy installed with another --prefix, or moved, still finds itself.
  file(RELATIVE_PATH PUFFS_PC_TO_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
  configure_file(${PROJECT_SOURCE_DIR}/scripts/cmake/puffs.pc.in ${PROJECT_BINARY_DIR}/puffs.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/puffs.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
  install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
  if(EXISTS ${PROJECT_SOURCE_DIR}/README.md)
    install(FILES ${PROJECT_SOURCE_DIR}/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
  endif()
endfunction()
