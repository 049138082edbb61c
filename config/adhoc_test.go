package config
import ("testing";"os";"github.com/candor-gateway/candor/backend")
func FuzzAdhoc(f *testing.F){
 for _, file := range []string{exampleFile, "testdata/base.yaml"} { b,_:=os.ReadFile(file); f.Add(string(b), 0, "x") }
 f.Fuzz(func(t *testing.T, text string, pos int, ins string){
  if pos>=0 && pos<=len(text) && len(ins)<20 { text=text[:pos]+ins+text[pos:] }
  cfg,fs:=Parse("f",[]byte(text)); if len(fs.Errors())>0 {return}
  for n,b:=range cfg.GetBackends(){ if _,err:=backend.CompileCard(b.GetCard()); err!=nil { t.Errorf("%s %v",n,err)} }
 })
}
