import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// No `server.proxy`, no `server.hmr`, no CORS anywhere: one origin needs none of them.
export default defineConfig({
  plugins: [react()],
});
