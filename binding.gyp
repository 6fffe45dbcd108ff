{
  # A bridge: node-gyp and prebuildify call this, CMake does the building (scripts/build.mjs).
  "targets": [
    {
      "target_name": "bge_m3_node",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake",
          "inputs": ["CMakeLists.txt"],
          "outputs": ["<(PRODUCT_DIR)/bge_m3_node.node"],
          "action": ["node", "scripts/build.mjs", "--native", "--out", "<(PRODUCT_DIR)"]
        }
      ]
    }
  ]
}
